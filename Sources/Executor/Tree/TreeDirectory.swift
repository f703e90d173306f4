private import Glibc
private import Synchronization

/// A directory of a tree that is being walked: where it is, as names from the top, and its descriptors while they are open.
final class TreeDirectory: @unchecked Sendable {
    // Unchecked: `parent` and `name` do not change until `deinit`; `ticket` and `inode` belong to the handles and their lock;
    // `passes` is used only by the thread whose turn the directory is.

    /// nil for the root of the walk, whose name (`.` where the base is the root itself) is looked up in the base.
    private(set) var parent: TreeDirectory?
    /// Any bytes but NUL and `/`.
    let name: UnsafePointer<CChar>
    /// Where its descriptors are, if they are open; used by `DirectoryHandles` only.
    var ticket: DirectoryHandles.Ticket?
    /// Which one it was when it was first opened, where that is of interest; used by `DirectoryHandles` only.
    var inode: UInt64?
    /// How often it has been listed.
    var passes = 0

    private let handles: DirectoryHandles
    private let open = Atomic(1)
    private let stuck = Atomic(false)

    init(_ name: UnsafePointer<CChar>, in parent: TreeDirectory?, handles: DirectoryHandles) {
        self.name = copyOfName(name)
        self.parent = parent
        self.handles = handles
    }

    deinit {
        handles.close(ticket)
        free(UnsafeMutablePointer(mutating: name))
        // A chain of thousands of parents must not be released by as many nested calls.
        var ancestor = parent
        parent = nil
        while let next = ancestor, isKnownUniquelyReferenced(&ancestor) {
            ancestor = next.parent
            next.parent = nil
        }
    }

    /// Adds a piece of work without which the directory is not complete. It begins with one, its own listing.
    func begin() { open.add(1, ordering: .relaxed) }

    /// Ends a piece of work.
    ///
    /// - Returns: whether it was the last one.
    func end() -> Bool { open.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }

    /// Something in it could not be dealt with.
    var isStuck: Bool { stuck.load(ordering: .relaxed) }

    func markStuck() { stuck.store(true, ordering: .relaxed) }

    /// For messages, from the base on; bytes that are no UTF-8 show as replacement characters.
    func path(_ entry: UnsafePointer<CChar>? = nil) -> String {
        var names = entry.map { [String(cString: $0)] } ?? []
        var directory: TreeDirectory? = self
        while let current = directory {
            names.append(String(cString: current.name))
            directory = current.parent
        }
        if names.count > 1, names.last == "." { names.removeLast() }
        return names.reversed().joined(separator: "/")
    }
}

private func copyOfName(_ name: UnsafePointer<CChar>) -> UnsafePointer<CChar> {
    guard let copy = strdup(name) else { preconditionFailure("out of memory") }
    return UnsafePointer(copy)
}
