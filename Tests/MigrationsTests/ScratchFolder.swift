import Glibc
import RuntimeCore

/// A folder that goes, with the files in it, when this object does.
final class ScratchFolder: Sendable {
    let path: String
    private let files = Mutex<[String]>([])

    init() throws {
        var template = Array("/tmp/wvs-migrations-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit {
        files.withLock { $0 }.forEach { unlink("\(path)/\($0)") }
        rmdir(path)
    }

    func write(_ text: String, to name: String) throws {
        files.withLock { $0.append(name) }
        let path = "\(path)/\(name)"
        let file = FileDescriptor(owning: try systemCall("creat", path) { creat(path, 0o600) })
        var text = text
        _ = try systemCall("write", path) { text.withUTF8 { Glibc.write(file.raw, $0.baseAddress, $0.count) } }
    }
}
