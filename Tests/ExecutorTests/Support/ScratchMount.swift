import Foundation
import Glibc
import Testing

@testable import Executor

/// A mount of its own in a temporary folder, removed at the end. In memory: a sync waits for nobody else's writes there.
final class ScratchMount: Sendable {
    let path: String
    private let isOwned: Bool
    var mount: Mount { Mount(path: path, setting: .any) }

    init() throws {
        var template = Array("/dev/shm/wvs-executor-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
        isOwned = true
    }

    /// A mount that somebody else made and removes.
    init(at path: String) {
        self.path = path
        isOwned = false
    }

    /// Its folder, whatever volume that is.
    func root() throws -> Directory { try Directory(path: path) }

    deinit {
        guard isOwned else { return }
        do { try FileManager.default.removeItem(atPath: path) } catch { Issue.record(error) }
    }

    func directory(_ name: String) throws -> Directory {
        try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
        return try Directory(path: "\(path)/\(name)")
    }

    /// A workspace folder as init_workspace makes it, without going through the operation.
    func makeWorkspace(_ wsid: String = "ws-1", liveID: String = Ids.live, fence: UInt64 = 1) throws -> WorkspaceFolder
    {
        for name in ["live/\(liveID)", "snapshots", ".wvs"] { _ = try directory("\(wsid)/\(name)") }
        let root = try directory(wsid)
        try root.makeLink("current", to: "live/\(liveID)")
        try FenceFile.create(in: directory("\(wsid)/.wvs"), fence: fence, owner: .own)
        return try #require(try WorkspaceFolder(mount: self.root(), wsid: wsid))
    }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat("\(path)/\(name)", &status) == 0
    }

    /// Every path below the mount, sorted. What goes away meanwhile is no error: trash is collected in the background.
    func tree() throws -> [String] {
        try #require(FileManager.default.enumerator(atPath: path)).compactMap { $0 as? String }.sorted()
    }
}

/// Ids to test with.
enum Ids {
    static let live = "01890000-0000-7000-8000-000000000001"
    static let snapshot = "01890000-0000-7000-8000-000000000002"
    static let task = "01890000-0000-7000-8000-000000000003"
}
