import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// A JuiceFS that is mounted with `--writeback`: fsync(2) returns there with the data in a cache of this machine alone, so that no
/// flush makes it visible to the executor's mount.
enum WritebackMount {
    /// Why the workspace must not be served; nil for no reason, or where the mount does not tell.
    ///
    /// The mount tells its settings in a file of its root, as JSON (pkg/vfs/internal.go of JuiceFS, since 1.0).
    static func refusal(_ files: WorkspaceFiles, _ logger: Logger) -> String? {
        guard files.fileSystem == "fuse.juicefs" else { return nil }
        for root in files.roots {
            // With `--prefix-internal`, and without.
            for name in [".jfs.config", ".config"] {
                guard let bytes = try? ProcFS.read("\(root)/\(name)") else { continue }
                guard let isWriteback = isWriteback(bytes) else { continue }
                return isWriteback
                    ? "\(root) is mounted with --writeback: what is flushed there stays on this machine" : nil
            }
        }
        logger.warn("it cannot be seen whether the workspace is mounted with --writeback, which would lose writes")
        return nil
    }

    /// `Chunk.Writeback`; nil for another text.
    static func isWriteback(_ bytes: [UInt8]) -> Bool? {
        guard case .object(let members)? = try? JSONReader.parse(bytes),
            case .object(let chunk)? = members.first(where: { $0.name == "Chunk" })?.value,
            case .bool(let flag)? = chunk.first(where: { $0.name == "Writeback" })?.value
        else { return nil }
        return flag
    }
}
