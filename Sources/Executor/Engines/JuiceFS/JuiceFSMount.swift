private import CShims
private import FoundationEssentials
private import Glibc
import RuntimeCore

/// The JuiceFS volume that a directory lies on, as this machine has it mounted.
struct JuiceFSMount: Equatable, Sendable {
    /// linux/magic.h
    private static let fuseMagic: Int64 = 0x6573_5546

    /// Where the volume's root is.
    let path: String

    /// The mount that holds an open directory (proc(5): fdinfo, mountinfo).
    ///
    /// - Throws: `JuiceFSUnusable` where it is no JuiceFS, or only a part of one is mounted there.
    static func find(holding directory: CInt) throws -> JuiceFSMount {
        var status = statfs()
        try systemCall("fstatfs") { fstatfs(directory, &status) }
        guard Int64(status.f_type) == fuseMagic else { throw JuiceFSUnusable("this is no JuiceFS") }
        guard let mount = try MountTable().entry(holding: directory) else {
            throw JuiceFSUnusable("the mount table does not say what is mounted here")
        }
        guard mount.type == "fuse.juicefs" else { throw JuiceFSUnusable("this is no JuiceFS, but \(mount.type)") }
        guard mount.root == "/" else {
            throw JuiceFSUnusable(
                "only the folder \(mount.root) of a JuiceFS is mounted here; juicefs needs to see its root")
        }
        return JuiceFSMount(path: mount.path)
    }

    /// Throws `EngineRefused` where the volume is mounted with `--writeback`: then fsync(2) leaves data in a cache of the
    /// machine that wrote it, and a snapshot would name blocks that are nowhere else. `JuiceFSUnusable` where that can not be
    /// seen, or the mount is too old.
    ///
    /// The mount tells its settings in a file of its root, as JSON (pkg/vfs/internal.go, `.config`, readable to its owner
    /// and root; since 1.0).
    func check() throws {
        let root = try Directory(path: path)
        // With `--prefix-internal`, and without.
        guard let bytes = try root.readSmallFile(".jfs.config") ?? root.readSmallFile(".config") else {
            throw JuiceFSUnusable("\(path) has no .config: it is mounted by a release before 1.0")
        }
        let settings: Settings
        do {
            settings = try JSONDecoder().decode(Settings.self, from: Data(bytes))
        } catch {
            throw JuiceFSUnusable("\(path)/.config can not be understood: \(error)")
        }
        if settings.chunk.writeback {
            throw EngineRefused(
                engine: JuiceFSEngine.engineName,
                cause: "\(path) is mounted with --writeback: what agents have flushed may be on no other machine yet")
        }
        guard let release = JuiceFSCommand.Release(settings.version), release >= .first else {
            throw JuiceFSUnusable(
                "\(path) is mounted by release \(settings.version); clone came with \(JuiceFSCommand.Release.first)")
        }
    }

    /// `EngineRefused` where an open directory lies on a JuiceFS that is mounted so, whatever engine is to clone there.
    static func refuseWriteback(holding directory: CInt, _ find: (CInt) throws -> JuiceFSMount = find) throws {
        do {
            try find(directory).check()
        } catch is JuiceFSUnusable {
            // No JuiceFS, or one whose settings are not to be seen.
        }
    }

    /// What is of interest here.
    private struct Settings: Decodable {
        struct Chunk: Decodable {
            let writeback: Bool
            enum CodingKeys: String, CodingKey { case writeback = "Writeback" }
        }

        let version: String
        let chunk: Chunk

        enum CodingKeys: String, CodingKey {
            case version = "Version"
            case chunk = "Chunk"
        }
    }
}
