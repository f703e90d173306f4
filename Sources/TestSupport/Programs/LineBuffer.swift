private import Dispatch
private import Glibc
private import RuntimeCore

/// Collects the lines that come out of a pipe, and wakes who waits for one.
final class LineBuffer: Sendable {
    private struct Waiter {
        let id: Int
        let predicate: @Sendable (String) -> Bool
        let continuation: CheckedContinuation<String?, Never>
    }

    private struct State {
        var lines: [String] = []
        var partial: [UInt8] = []
        var isClosed = false
        var waiters: [Waiter] = []
        var nextID = 0
    }

    private let state = Mutex(State())

    /// Takes ownership of the descriptor.
    init(reading descriptor: CInt, label: String) {
        let state = state
        // A thread of its own that ends with the last writer of the pipe.
        DispatchQueue(label: "log of \(label)").async {
            var chunk = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = read(descriptor, &chunk, chunk.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                Self.append(chunk[..<count], to: state)
            }
            close(descriptor)
            let waiters = state.withLock { state in
                state.isClosed = true
                defer { state.waiters = [] }
                return state.waiters
            }
            waiters.forEach { $0.continuation.resume(returning: nil) }
        }
    }

    var lines: [String] { state.withLock { $0.lines } }

    /// The first line that fits; nil when the time is up or the pipe is closed without one.
    func line(within timeout: Duration, where predicate: @escaping @Sendable (String) -> Bool) async -> String? {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let timer = Task {
            try await Task.sleep(for: timeout)
            let waiter: Waiter? = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: nil)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            let known: String?? = state.withLock { state in
                if let line = state.lines.first(where: predicate) { return .some(line) }
                if state.isClosed { return .some(nil) }
                state.waiters.append(Waiter(id: id, predicate: predicate, continuation: continuation))
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Whether the pipe was closed in time: the process and its children are gone.
    func end(within timeout: Duration) async -> Bool {
        _ = await line(within: timeout) { _ in false }
        return state.withLock { $0.isClosed }
    }

    private static func append(_ bytes: ArraySlice<UInt8>, to state: Mutex<State>) {
        let served: [(Waiter, String)] = state.withLock { state in
            state.partial += bytes
            var served: [(Waiter, String)] = []
            while let end = state.partial.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: state.partial[..<end], as: UTF8.self)
                state.partial.removeSubrange(...end)
                state.lines.append(line)
                served += state.waiters.filter { $0.predicate(line) }.map { ($0, line) }
                state.waiters.removeAll { $0.predicate(line) }
            }
            return served
        }
        served.forEach { $0.0.continuation.resume(returning: $0.1) }
    }
}
