import Postgres
import RuntimeCore

/// Writes what attempts came to in few transactions: whatever ends while one is under way goes together into the next.
final class Completions: Sendable {
    /// Transactions at a time: while one waits for its commit to reach the disk, another may work.
    private static let writers = 2
    private static let most = 64

    private struct Waiting: Sendable {
        let completion: Ledger.Completion
        let done: CheckedContinuation<Ledger.Finished?, any Error>
    }

    private struct State {
        var waiting: [Waiting] = []
        var writers = 0
    }

    private let ledger: Ledger
    private let state = Mutex(State())

    init(_ ledger: Ledger) { self.ledger = ledger }

    /// Returns once it is committed; nil if the task is owned no longer.
    func finish(_ completion: Ledger.Completion) async throws -> Ledger.Finished? {
        try await withCheckedThrowingContinuation { done in
            let needsWriter = state.withLock { state in
                state.waiting.append(Waiting(completion: completion, done: done))
                guard state.writers < Completions.writers else { return false }
                state.writers += 1
                return true
            }
            if needsWriter { Task { await write() } }
        }
    }

    private func write() async {
        while let batch = nextBatch() {
            do {
                let finished = try await ledger.finish(batch.map(\.completion))
                for (waiting, outcome) in zip(batch, finished) { waiting.done.resume(returning: outcome) }
            } catch let error as PostgresError where error.code == .sqlState && batch.count > 1 {
                // What PostgreSQL has against one must not keep the others from ending.
                for waiting in batch { await writeAlone(waiting) }
            } catch {
                for waiting in batch { waiting.done.resume(throwing: error) }
            }
        }
    }

    private func nextBatch() -> [Waiting]? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.writers -= 1
                return nil
            }
            let batch = Array(state.waiting.prefix(Completions.most))
            state.waiting.removeFirst(batch.count)
            return batch
        }
    }

    private func writeAlone(_ waiting: Waiting) async {
        do {
            waiting.done.resume(returning: try await ledger.finish([waiting.completion])[0])
        } catch {
            waiting.done.resume(throwing: error)
        }
    }
}
