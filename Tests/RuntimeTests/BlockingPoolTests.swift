import Dispatch
import Runtime
import RuntimeCore
import Testing

@Suite struct BlockingPoolTests {
    /// More than there are cores: each body waits for all the others.
    @Test func asManyBodiesBlockAtOnceAsThePoolIsWide() async throws {
        let width = 32
        let pool = BlockingPool(label: "test", width: width)
        let arrived = DispatchSemaphore(value: 0)
        let everybody = DispatchSemaphore(value: 0)
        let met = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<width {
                group.addTask {
                    try await pool.run {
                        arrived.signal()
                        return everybody.wait(timeout: .now() + 10) == .success
                    }
                }
            }
            group.addTask {
                try await BlockingPool(label: "test.gather", width: 1).run {
                    for _ in 0..<width where arrived.wait(timeout: .now() + 10) != .success { return false }
                    for _ in 0..<width { everybody.signal() }
                    return true
                }
            }
            return try await group.reduce(true) { $0 && $1 }
        }
        #expect(met)
    }

    @Test func noMoreBodiesRunAtOnceThanThePoolIsWide() async throws {
        let pool = BlockingPool(label: "test", width: 3)
        let state = RuntimeCore.Mutex((running: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await pool.run {
                        state.withLock { state in
                            state.running += 1
                            state.most = max(state.most, state.running)
                        }
                        state.withLock { $0.running -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(state.withLock { $0.most <= 3 && $0.running == 0 })
    }
}
