import FakeAgent
import Foundation
import Testing

/// What tells Docker whether the demo agent works.
@Suite struct LedgerWatchTests {
    private func withLedger(_ body: (_ workspace: String, _ ledger: String) throws -> Void) throws {
        let workspace = NSTemporaryDirectory() + "ledger-watch-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: workspace + "/live/1", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: workspace) }
        try FileManager.default.createSymbolicLink(atPath: workspace + "/current", withDestinationPath: "live/1")
        let path = workspace + "/live/1/ledger-a-0"
        try Ledger(path: path, cellCount: 1).advance()
        try body(workspace, path)
    }

    @Test func anAgentThatTakesStepsIsSeenToWork() throws {
        try withLedger { workspace, path in
            let watched = DispatchSemaphore(value: 0)
            let stopped = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                defer { stopped.signal() }
                guard let ledger = try? Ledger(path: path, cellCount: 1) else { return }
                while watched.wait(timeout: .now()) == .timedOut { try? ledger.advance() }
            }
            defer {
                watched.signal()
                stopped.wait()
            }
            let seen = try LedgerWatch.seesStep(in: workspace, within: .seconds(60))
            #expect(seen)
        }
    }

    @Test func anAgentThatStandsStillIsNot() throws {
        try withLedger { workspace, _ in
            let seen = try LedgerWatch.seesStep(in: workspace, within: .milliseconds(200))
            #expect(!seen)
        }
    }

    @Test func aWorkspaceWithoutATreeIsAnError() {
        #expect(throws: (any Error).self) { try LedgerWatch.seesStep(in: "/nonexistent", within: .milliseconds(1)) }
    }
}
