private import CShims
private import Glibc
private import RuntimeCore

/// Cleans up after this process, however it ends: a watcher runs what it was told once its pipe is closed, which the kernel
/// does for a killed process too.
package final class Lifeline: Sendable {
    package static let shared = Lifeline()

    private let pipe: FileDescriptor

    private init() {
        do {
            var ends: [CInt] = [0, 0]
            try systemCall("pipe2") { wvs_pipe2(&ends, O_CLOEXEC) }
            pipe = FileDescriptor(owning: ends[1])
            let theirs = FileDescriptor(owning: ends[0])
            // Newest first, as resources stand on each other.
            let script = "all=; while read -r line; do all=\"$line; $all\"; done; eval \"$all\""
            _ = try Command.spawn(["sh", "-c", script], input: theirs.raw)
        } catch {
            preconditionFailure("no watcher for the tests' resources: \(error)")
        }
    }

    /// Has a line of shell run at the end. It must be harmless where the resource is gone already.
    package func atEnd(_ command: String) {
        precondition(!command.contains("\n"), "one line")
        var line = command + "\n"
        _ = line.withUTF8 { write(pipe.raw, $0.baseAddress, $0.count) }
    }

    /// Has a process killed at the end, unless another has taken its pid by then.
    package func kill(_ pid: Int32) {
        let start = "$(sed 's/.*) //' /proc/\(pid)/stat 2>/dev/null | cut -d ' ' -f 20)"
        guard let now = Lifeline.startTime(pid) else { return }
        atEnd("[ \"\(start)\" = \(now) ] && kill -KILL \(pid)")
    }

    private static func startTime(_ pid: Int32) -> String? {
        guard let file = fopen("/proc/\(pid)/stat", "re") else { return nil }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count - 1, file)
        let text = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        // The name may hold blanks; what follows its last parenthesis does not.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? String(fields[19]) : nil
    }
}
