private import Glibc
private import Runtime
private import RuntimeCore

/// A variable of its own in a program's environment: whatever the program starts inherits it, and is found by it when the
/// program has gone.
package struct ProcessMark: Sendable {
    private static let name = "WVS_TEST_MARK"
    /// What all marks of this run begin with. Who bears one does not outlive the run, however that ends.
    private static let run = {
        let run = UUIDv7.make()
        Lifeline.shared.atEnd(
            "for f in $(grep -lsz '^\(name)=\(run)' /proc/[0-9]*/environ); do f=${f%/environ}; kill -KILL ${f#/proc/}; done"
        )
        return run
    }()

    private let value = "\(ProcessMark.run)-\(UUIDv7.make())"

    package init() {}

    package var environment: [String: String] { [Self.name: value] }

    /// Kills everybody who bears the mark, until a look finds nobody new.
    package func killAll() {
        var killed: Set<CInt> = []
        while true {
            let found = bearers().subtracting(killed)
            if found.isEmpty { return }
            for pid in found { kill(pid, SIGKILL) }
            killed.formUnion(found)
        }
    }

    private func bearers() -> Set<CInt> {
        guard let stream = opendir("/proc") else { return [] }
        defer { closedir(stream) }
        var pids: Set<CInt> = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let pid = CInt(name), Self.environment(of: pid).contains("\(Self.name)=\(value)") { pids.insert(pid) }
        }
        return pids
    }

    /// Of a process that is gone, or a zombie, nothing.
    private static func environment(of pid: CInt) -> String {
        let file = open("/proc/\(pid)/environ", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        // The tests' programs get few variables.
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
    }
}
