private import Glibc
private import Runtime
import RuntimeCore

/// What one attempt builds before anyone may see it: a tree and its record, named after the attempt's fence.
struct Staging: Sendable {
    /// `snapshots` or `live`.
    let folder: Directory
    let id: String
    let fence: UInt64

    var tree: String { StagedName.tree(id: id, fence: fence).text }
    private var record: String { StagedName.record(id: id, fence: fence).text }

    func createRecord(_ content: some Encodable, owner: Ownership) throws {
        try folder.createRecord(record, content, owner: owner)
    }

    /// Makes tree and record durable.
    func sync(_ cancellation: Cancellation) throws { try folder.syncTree(tree, cancellation) }

    /// Makes tree and record visible under their final names; the rename of the tree is the commit point. Both come from the
    /// same attempt: taking over removes both sources.
    func publish(_ fenceFile: FenceFile) throws {
        try fenceFile.commit(fence) {
            try folder.rename(record, to: Names.record(id))
            Failpoint.hit("executor.fence.record_renamed")
            try folder.renameWithoutReplacing(tree, to: folder, id)
        }
    }

    /// Replaces the record of a tree that this attempt published.
    func replaceRecord() throws(SystemError) { try folder.rename(record, to: Names.record(id)) }

    /// Takes both away again; what is not there is no error.
    func discard() throws {
        try folder.unlink(record)
        try folder.moveToTrash(tree)
    }
}

extension Directory {
    /// Renames an entry so that it is gone for everyone but the trash collector; false where there was none.
    @discardableResult
    func moveToTrash(_ name: String) throws(SystemError) -> Bool {
        let dead = StagedName.trashPrefix + name.trimmingPrefix(".staging-")
        do {
            try renameWithoutReplacing(name, to: self, dead)
            return true
        } catch  where error.errno == ENOENT {
            return false
        } catch  where error.errno == EEXIST {
            // Trash of an earlier life of that name, not yet collected.
            try renameWithoutReplacing(name, to: self, "\(dead)-\(UUIDv7.make())")
            return true
        }
    }

    /// Removes sources of attempts whose fence fulfils `isOver`: trees go to the trash, the rest at once. Touches nothing
    /// else.
    ///
    /// - Returns: whether there is trash to collect now.
    func removeSources(where isOver: (UInt64) -> Bool) throws(SystemError) -> Bool {
        var hasTrash = false
        for name in try names() {
            guard let staged = StagedName(name), let fence = staged.fence, isOver(fence) else { continue }
            switch staged {
            case .tree: hasTrash = try moveToTrash(name) || hasTrash
            case .record, .link: try unlink(name)
            case .trash: break
            }
        }
        return hasTrash
    }
}

extension WorkspaceFolder {
    /// Makes publication by any lower fence impossible, wherever it is attempted (see `FenceFile.commit`). What is read of the workspace after this stays true until this attempt changes it.
    ///
    /// Sources of this very fence go too: calls of a workspace run one after another, so they are of a call that is over.
    ///
    /// - Returns: whether there is trash to collect now.
    func takeOver(fence: UInt64, durable: Bool) throws -> Bool {
        try self.fence.raise(to: fence, durable: durable)
        return try removeSources { $0 <= fence }
    }

    func removeSources(where isOver: (UInt64) -> Bool) throws(SystemError) -> Bool {
        var hasTrash = false
        for folder in [root, live, snapshots] { hasTrash = try folder.removeSources(where: isOver) || hasTrash }
        return hasTrash
    }
}
