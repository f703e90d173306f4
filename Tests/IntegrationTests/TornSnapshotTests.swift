import FakeAgent
import Foundation
import JSON
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// A hostile writer against many snapshots: several processes with threads, and children that live for one step.
    @Suite struct TornSnapshotTests {
        private static func hostileAgent(_ folder: String, ticker: String) -> [String] {
            let agent = ProgramProcess.folder + "/demo-agent"
            let run = "\(agent) run --workspace \(folder) --threads 2 --pause 0ms --cells 12"
            return ["/bin/sh", "-c", "\(run) --name b & \(run) --name a --children --ticker \(ticker) & wait"]
        }

        /// Most of each snapshot is cloned while the writer writes; or, in fewer rounds, none of it.
        @Test(arguments: [(2, 200), (1, 20)])
        func snapshotsOfAHostileWriterAreAllConsistent(phases: Int, rounds: Int) async throws {
            var options = TestStack.Options()
            options.environment["wvs-executor"] = ["EXECUTOR_CLONE_PHASES": String(phases)]
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("torn", uid: 1000)
                let tree = WorkspaceTree(stack, "torn")
                let ticker = try stack.tickerFile()
                try stack.startAgent(
                    "torn", command: Self.hostileAgent(tree.path, ticker: ticker),
                    sidecarOptions: ["--user", "1000:1000"])
                try await tree.awaitProgress()

                let start = Timestamp.now
                let before = try tree.steps(in: tree.current)
                var windows: [Double] = []
                for round in 1...rounds {
                    let task = try await stack.snapshot("torn")
                    let report = try tree.check(snapshot: task.snapshotID)
                    #expect(report.problems.isEmpty, "snapshot \(round): \(report.problems)\n\(task.text)")
                    #expect(report.ledgers == 5 || round < 5)
                    let acknowledgements = task.acknowledgements
                    #expect(acknowledgements.count == 1)
                    #expect(
                        acknowledgements.allSatisfy { $0["held"] == true && $0["consistency"] == "quiesced" },
                        "\(task.text) \(stack.logs)")
                    windows.append(task["result"]?["receipt"]?["window_ms"]?.double ?? .infinity)
                    if round % 20 == 0 { try await tree.awaitProgress("the agent writes after snapshot \(round)") }
                }
                let twice = stack.program("wvs-executor").lines.count { $0.contains("cloned in two phases") }
                #expect(phases == 1 ? twice == 0 : twice > 0, "\(stack.logs)")
                let after = try tree.steps(in: tree.current)
                #expect(after.count == 5 && after.allSatisfy { $0.value > before[$0.key] ?? 0 }, "\(before), \(after)")
                windows.sort()
                let median = windows[rounds / 2]
                // The agent's own word. A window that the executor was slow to close is longer than the standstill; half of them are not.
                let longest = try #require(try Ticker.longestGap(path: ticker, from: start, to: .now)).milliseconds
                #expect(longest >= median - 2 && longest < 10_000)
                print(
                    "\(rounds) snapshots in \(phases) phases, \(try tree.steps) steps: longest freeze window \(windows.last ?? 0) ms, "
                        + "median \(median) ms; longest gap of the agent's own 1 kHz ticker \(longest) ms")
            }
        }

        /// Otherwise the test above proves nothing.
        @Test func withTheFreezeDisabledTheSameWriterIsCaughtTorn() async throws {
            var options = TestStack.Options()
            options.environment["wvs-sidecar"] = ["WVS_TEST_UNSAFE_NO_FREEZE": "1"]
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("torn", uid: 1000)
                let tree = WorkspaceTree(stack, "torn")
                let ticker = try stack.tickerFile()
                try stack.startAgent(
                    "torn", command: Self.hostileAgent(tree.path, ticker: ticker),
                    sidecarOptions: ["--user", "1000:1000"])
                try await tree.awaitProgress()
                var torn = 0
                for _ in 1...10 {
                    let id = try await stack.accept("POST", "/v1/workspaces/torn/snapshots", body: [:])
                    let task = try await stack.ended(id)
                    // A file that vanished under the clone fails it: then nothing is published.
                    guard task["status"] == "SUCCEEDED" else { continue }
                    // A file may even be missing.
                    let problems = (try? tree.check(snapshot: task.snapshotID).problems) ?? ["unreadable"]
                    if !problems.isEmpty { torn += 1 }
                }
                print("without the freeze \(torn) of 10 snapshots are torn")
                #expect(torn > 0)
            }
        }
    }
}
