private import Glibc
import RuntimeCore

/// The descriptors of a directory: where a walk reads, and where it writes if it does.
struct DirectoryPair {
    var source: CInt
    /// -1 where a walk has none, or has not needed it yet.
    var target: CInt = -1

    func close() {
        if source >= 0 { Glibc.close(source) }
        if target >= 0 { Glibc.close(target) }
    }
}

/// Keeps a bounded number of a walk's directories open, however deep and wide the tree is.
///
/// Those that are not in use are closed, the longest unused first, and opened again name by name from the nearest open
/// ancestor when they are needed; so a directory counts as what its names lead to, never as a path from outside.
final class DirectoryHandles: Sendable {
    /// Opens the directory `name` of an open one. The last argument names it for errors.
    typealias Opening = @Sendable (CInt, UnsafePointer<CChar>, () -> String) throws -> CInt

    /// A use of a slot; void once the slot has been used for another directory.
    struct Ticket {
        fileprivate let slot: Int
        fileprivate let generation: UInt64
    }

    fileprivate struct Slot {
        var pair: DirectoryPair
        var pins: Int
        var generation: UInt64
        var lastUse: UInt64
    }

    fileprivate struct State {
        var slots: [Slot] = []
        var free: [Int] = []
        var clock: UInt64 = 0
    }

    private let base: DirectoryPair
    private let limit: Int
    private let isMoving: Bool
    private let opening: Opening
    private let openingTarget: Opening?
    private let state = Monitor(State())

    /// - Parameters:
    ///   - base: where the root's name is looked up; not owned.
    ///   - limit: how many directories that nobody uses stay open.
    ///   - isMoving: whether names may change meanwhile: then `TreeChanged` is thrown where one that was closed is another now, so
    ///     that what is known of the one is never taken for the other's.
    ///   - target: opens the other one of a pair; nil where there is none.
    init(
        base: DirectoryPair, limit: Int = 64, isMoving: Bool = false, opening: @escaping Opening,
        target: Opening? = nil
    ) {
        self.base = base
        self.limit = limit
        self.isMoving = isMoving
        self.opening = opening
        openingTarget = target
    }

    deinit { state.withLock { state in for slot in state.slots where slot.pair.source >= 0 { slot.pair.close() } } }

    /// Lends the directory's descriptors: they stay open until `body` returns.
    ///
    /// - Parameter whole: whether the target is needed.
    func with<Result>(
        _ directory: TreeDirectory, whole: Bool = true, _ body: (DirectoryPair) throws -> Result
    ) throws -> Result {
        let (ticket, pair) = try pin(directory, whole: whole && openingTarget != nil)
        defer { unpin(ticket) }
        return try body(pair)
    }

    /// Lends the descriptors of the directory that holds this one.
    func withParent<Result>(of directory: TreeDirectory, _ body: (DirectoryPair) throws -> Result) throws -> Result {
        guard let parent = directory.parent else { return try body(base) }
        return try with(parent, body)
    }

    /// Closes what a directory that is not needed any more has open.
    func close(_ ticket: Ticket?) {
        guard let ticket else { return }
        state.withLock { state in
            if state.slots[ticket.slot].generation == ticket.generation { state.close(ticket.slot) }
        }
    }

    private func pin(_ directory: TreeDirectory, whole: Bool) throws -> (Ticket, DirectoryPair) {
        var missing: [TreeDirectory] = []
        var held: (Ticket, DirectoryPair)?
        state.withLock { state in
            var next: TreeDirectory? = directory
            while let current = next {
                if let pinned = state.pin(current.ticket, whole: whole) {
                    held = pinned
                    return
                }
                missing.append(current)
                next = current.parent
            }
        }
        while let current = missing.popLast() {
            let parent = held
            defer { if let (ticket, _) = parent { unpin(ticket) } }
            held = try open(current, in: parent?.1 ?? base, whole: whole)
        }
        guard let held else { preconditionFailure("a directory was pinned or opened above") }
        return held
    }

    /// Opens what is missing of a pair.
    private func open(
        _ directory: TreeDirectory, in parent: DirectoryPair, whole: Bool
    ) throws -> (Ticket, DirectoryPair) {
        let present = whole ? state.withLock { $0.pin(directory.ticket, whole: false) } : nil
        var opened = DirectoryPair(source: -1)
        do {
            if present == nil {
                opened.source = try opening(parent.source, directory.name) { directory.path() }
                if isMoving { try recognize(directory, opened.source) }
            }
            if whole, let openingTarget {
                opened.target = try openingTarget(parent.target, directory.name) { directory.path() }
            }
        } catch {
            opened.close()
            if let (ticket, _) = present { unpin(ticket) }
            throw error
        }
        return state.withLock { state in
            // Another thread may have opened it meanwhile.
            if let (ticket, _) = present ?? state.pin(directory.ticket, whole: false) {
                return (ticket, state.complete(ticket, with: opened))
            }
            let ticket = state.add(opened)
            directory.ticket = ticket
            return (ticket, opened)
        }
    }

    private func recognize(_ directory: TreeDirectory, _ source: CInt) throws {
        let inode = UInt64(try fileStatus(of: source, directory.path()).st_ino)
        let first = state.withLock { _ in
            directory.inode = directory.inode ?? inode
            return directory.inode
        }
        if first != inode { throw TreeChanged(path: directory.path()) }
    }

    private func unpin(_ ticket: Ticket) {
        state.withLock { state in
            state.slots[ticket.slot].pins -= 1
            state.shrink(to: limit)
        }
    }
}

extension DirectoryHandles.State {
    mutating func pin(
        _ ticket: DirectoryHandles.Ticket?, whole: Bool
    ) -> (DirectoryHandles.Ticket, DirectoryPair)? {
        guard let ticket, slots[ticket.slot].generation == ticket.generation else { return nil }
        if whole, slots[ticket.slot].pair.target < 0 { return nil }
        clock += 1
        slots[ticket.slot].pins += 1
        slots[ticket.slot].lastUse = clock
        return (ticket, slots[ticket.slot].pair)
    }

    mutating func add(_ pair: DirectoryPair) -> DirectoryHandles.Ticket {
        clock += 1
        let slot: Int
        if let unused = free.popLast() {
            slot = unused
        } else {
            slot = slots.count
            slots.append(DirectoryHandles.Slot(pair: pair, pins: 0, generation: 0, lastUse: 0))
        }
        slots[slot].pair = pair
        slots[slot].pins = 1
        slots[slot].lastUse = clock
        return DirectoryHandles.Ticket(slot: slot, generation: slots[slot].generation)
    }

    /// Takes what an open directory lacks, and closes the rest.
    mutating func complete(_ ticket: DirectoryHandles.Ticket, with opened: DirectoryPair) -> DirectoryPair {
        var rest = opened
        if slots[ticket.slot].pair.target < 0 {
            slots[ticket.slot].pair.target = opened.target
            rest.target = -1
        }
        rest.close()
        return slots[ticket.slot].pair
    }

    mutating func close(_ slot: Int) {
        slots[slot].pair.close()
        slots[slot].pair = DirectoryPair(source: -1)
        slots[slot].generation += 1
        free.append(slot)
    }

    /// Closes the longest unused ones while too many are open.
    mutating func shrink(to limit: Int) {
        while slots.count - free.count > limit {
            var oldest: Int?
            for index in slots.indices where slots[index].pair.source >= 0 && slots[index].pins == 0 {
                if let present = oldest, slots[present].lastUse <= slots[index].lastUse { continue }
                oldest = index
            }
            guard let oldest else { return }
            close(oldest)
        }
    }
}
