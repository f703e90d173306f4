private import CShims
import Foundation
import Glibc
import RuntimeCore
import Testing

@Suite("The names in a folder")
struct FolderNamesTests {
    @Test("are all of them, as often as they are asked for, up to a limit")
    func names() throws {
        var template = Array("/tmp/wvs-names-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: path) } }
        let expected = (0..<1000).map { "file\($0)" }.sorted()
        for name in expected { #expect(FileManager.default.createFile(atPath: "\(path)/\(name)", contents: nil)) }
        let folder = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_RDONLY | O_CLOEXEC, 0) })
        for _ in 0..<2 { #expect(try FolderNames.read(folder.raw, path, atMost: 1000).sorted() == expected) }
        #expect(try FolderNames.read(path).sorted() == expected)
        #expect(throws: SystemError("readdir", path, errno: EOVERFLOW)) {
            try FolderNames.read(folder.raw, path, atMost: 999)
        }
        #expect(throws: SystemError("open", "/nowhere", errno: ENOENT)) { try FolderNames.read("/nowhere") }
    }
}
