private import Glibc
package import RuntimeCore

/// Snapshots of subvolumes: as of one instant, and in the same time whatever the size.
///
/// Live trees are subvolumes, snapshots read-only subvolumes. A tree that is none, made by another engine, is cloned by
/// `reflink` into a subvolume: from then on it is one.
package struct BtrfsEngine: CloneEngine {
    package let name = "btrfs"
    package let promises = ClonePromises(isAtomic: true, isConstantTime: true)
    private let reflink: TreeWalkEngine

    /// - Parameter threads: for trees that are no subvolumes; 0 means one for each core.
    package init(threads: Int = 0) { reflink = .reflink(threads: threads, root: .subvolume) }

    /// Makes a subvolume and a snapshot of it, and removes both, since each of these may be refused by itself.
    package func probe(mount: CInt) throws {
        guard Subvolume.isBtrfs(mount) else { throw SystemError("fstatfs", "no btrfs", errno: EOPNOTSUPP) }
        let name = ".probe-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let copy = name + "-snapshot"
        try Subvolume.make(in: mount, name)
        defer { for name in [name, copy] { removeProbe(name, in: mount) } }
        let root = try openBeneath(mount, name, flags: O_RDONLY | O_DIRECTORY)
        try Subvolume.snapshot(of: root.raw, in: mount, copy, readOnly: true)
        let code = Subvolume.destroy(in: mount, copy)
        if code != 0 { throw SystemError("BTRFS_IOC_SNAP_DESTROY", "probe", errno: code) }
    }

    package func engine(toClone source: String, in parent: CInt) throws -> any CloneEngine {
        let root = try openBeneath(parent, source, flags: O_RDONLY | O_DIRECTORY)
        return Subvolume.isRoot(root.raw) ? self : reflink
    }

    package func makeTree(in parent: CInt, _ name: String) throws { try reflink.makeTree(in: parent, name) }

    /// Writes dirty pages back: a snapshot waits for those of its source.
    package func prepare(from parent: CInt, _ source: String, cancellation: Cancellation) throws {
        let root = Directory(
            owning: try openBeneath(parent, source, flags: O_RDONLY | O_DIRECTORY), path: source)
        try withExtendedLifetime(root) {
            try Subvolume.refuseNested(in: root.raw)
            // A snapshot would show what is below it.
            try MountTable().refuseNested(in: root.raw)
        }
        try root.syncTree(".", cancellation)
    }

    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose, onFailure: PartialClone,
        progress: CloneProgress, cancellation: Cancellation
    ) throws -> CloneSummary? {
        try cancellation.check()
        let root = try openBeneath(from, source, flags: O_RDONLY | O_DIRECTORY)
        try Subvolume.refuseNested(in: root.raw)
        try Subvolume.snapshot(of: root.raw, in: to, target, readOnly: purpose == .snapshot)
        return nil
    }

    package func remove(in parent: CInt, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws {
        try reflink.remove(in: parent, name, progress: progress, cancellation: cancellation)
    }

    /// Without the right to destroy subvolumes: an empty one may be removed like a directory, unless it is read-only.
    private func removeProbe(_ name: String, in mount: CInt) {
        guard Subvolume.destroy(in: mount, name) == EPERM else { return }
        do {
            let root = try openBeneath(mount, name, flags: O_RDONLY | O_DIRECTORY)
            try Subvolume.setReadOnly(root.raw, false, name)
        } catch {
            // Then it can not be removed either.
        }
        unlinkat(mount, name, AT_REMOVEDIR)
    }
}
