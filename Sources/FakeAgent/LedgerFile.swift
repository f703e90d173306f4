private import CShims
private import Glibc
import RuntimeCore

/// Reads what a ledger's files say.
enum LedgerFile {
    static func content(_ path: String) throws(SystemError) -> [UInt8] {
        let file = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_RDONLY | O_CLOEXEC, 0) })
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = try systemCall("read", path) { read(file.raw, &chunk, chunk.count) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    /// The number in a file; 0 for an empty one, which its first write has not reached yet.
    static func number(_ path: String) throws(SystemError) -> UInt64 {
        let text = String(decoding: try content(path), as: UTF8.self).filter { !$0.isWhitespace }
        return UInt64(text) ?? 0
    }

    /// The number that a mapped file begins with, in the machine's byte order.
    static func mappedNumber(_ path: String) throws(SystemError) -> UInt64 {
        let bytes = try content(path)
        guard bytes.count >= 8 else { return 0 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
    }
}
