import Foundation
import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// A `.wvs` of its own in a temporary folder, removed at the end.
final class ControlScratch: Sendable {
    let path: String
    let descriptor: CInt

    init(prepared: Bool = true) throws {
        var template = Array("/tmp/wvs-quiesce-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        try #require(descriptor >= 0)
        if prepared { try FreezeCoordinator.prepare(controlDirectory: descriptor, owner: nil) }
    }

    deinit {
        close(descriptor)
        do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record(error) }
    }

    var directory: ControlDirectory { ControlDirectory(descriptor: descriptor) }
    var file: ControlFile { ControlFile(directory: directory) }
    var document: ControlDocument? { file.read().document }
}
