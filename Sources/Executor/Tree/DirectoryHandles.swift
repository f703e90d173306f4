private import Glibc
import RuntimeCore

/// The descriptors of a directory: where a walk reads, and where it writes if it does.
struct DirectoryPair {
    var source: CInt
    /// -1 where a walk has none.
    var target: CInt = -1

    func close() {
        Glibc.close(source)
        if target >= 0 { Glibc.close(target) }
    }
}

/// Keeps a bounded number of a walk's directories open, however deep and wide the tree is.
///
/// Those that are not in use are closed, the longest unused first, and opened again name by name from the nearest open
/// ancestor when they are needed; so a directory counts as what its names lead to, never as a path from outside.
final class DirectoryHandles: Sendable {
    /// Opens the directory `name` of an open one. The last argument names it for errors.
    typealias Opening = @Sendable (DirectoryPair, UnsafePointer<CChar>, () -> String) throws -> DirectoryPair

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
    private let opening: Opening
    private let state = Monitor(State())

    /// - Parameters:
    ///   - base: where the root's name is looked up; not owned.
    ///   - limit: how many directories that nobody uses stay open.
    init(base: DirectoryPair, limit: Int = 64, opening: @escaping Opening) {
        self.base = base
        self.limit = limit
        self.opening = opening
    }

    deinit { state.withLock { state in for slot in state.slots where slot.pair.source >= 0 { slot.pair.close() } } }

    /// Lends the directory's descriptors: they stay open until `body` returns.
    func with<Result>(_ directory: TreeDirectory, _ body: (DirectoryPair) throws -> Result) throws -> Result {
        let (ticket, pair) = try pin(directory)
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

    private func pin(_ directory: TreeDirectory) throws -> (Ticket, DirectoryPair) {
        var missing: [TreeDirectory] = []
        var held: (Ticket, DirectoryPair)?
        state.withLock { state in
            var next: TreeDirectory? = directory
            while let current = next {
                if let pinned = state.pin(current.ticket) {
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
            let pair = try opening(parent?.1 ?? base, current.name) { current.path() }
            held = state.withLock { state in
                // Another thread may have opened it meanwhile.
                if let pinned = state.pin(current.ticket) {
                    pair.close()
                    return pinned
                }
                let ticket = state.add(pair)
                current.ticket = ticket
                return (ticket, pair)
            }
        }
        guard let held else { preconditionFailure("a directory was pinned or opened above") }
        return held
    }

    private func unpin(_ ticket: Ticket) {
        state.withLock { state in
            state.slots[ticket.slot].pins -= 1
            state.shrink(to: limit)
        }
    }
}

extension DirectoryHandles.State {
    mutating func pin(_ ticket: DirectoryHandles.Ticket?) -> (DirectoryHandles.Ticket, DirectoryPair)? {
        guard let ticket, slots[ticket.slot].generation == ticket.generation else { return nil }
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
