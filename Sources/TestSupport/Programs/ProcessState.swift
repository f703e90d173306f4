private import Glibc

/// What proc(5) tells of a process.
package enum ProcessState {
    /// The letter of proc(5); nil once the process is gone.
    package static func of(_ pid: CInt) -> Character? { of(String(pid)) }

    /// - Parameter thread: as below /proc, for example `7/task/8`.
    package static func of(_ thread: String) -> Character? {
        let file = open("/proc/\(thread)/stat", O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        return text.split(separator: ")").last?.dropFirst().first
    }
}
