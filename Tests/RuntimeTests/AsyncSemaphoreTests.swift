import Runtime
import RuntimeCore
import Testing

@Suite struct AsyncSemaphoreTests {
    @Test func noMoreThanTheCountHoldASlotAtOnce() async throws {
        let semaphore = AsyncSemaphore(3)
        let state = RuntimeCore.Mutex((now: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await semaphore.wait()
                    state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                    await Task.yield()
                    state.withLock { $0.now -= 1 }
                    semaphore.signal()
                }
            }
            try await group.waitForAll()
        }
        #expect(state.withLock { $0.most } == 3)
    }

    @Test func aCanceledWaiterGetsNoSlotAndLosesNone() async throws {
        for _ in 0..<200 {
            let semaphore = AsyncSemaphore(1)
            try await semaphore.wait()
            let waiter = Task {
                try await semaphore.wait()
                semaphore.signal()
            }
            waiter.cancel()
            semaphore.signal()
            _ = await waiter.result
            // Whether the waiter was cancelled or served, the one slot is free again.
            try await semaphore.wait()
        }
    }
}
