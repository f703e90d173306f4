import Glibc
import JSON
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// Whatever goes wrong between REQUEST_FREEZE and the last acknowledgement: nothing is published, and the agent runs.
    @Suite struct QuiesceFailureTests {
        private func withWorkspace(
            failpoints: [String: String] = [:], executor: [String: String] = [:],
            _ body: (TestStack, WorkspaceTree) async throws -> Void
        ) async throws {
            var options = TestStack.Options()
            options.failpoints = failpoints
            options.environment["wvs-executor"] = executor
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("q-1", uid: 1000)
                try await body(stack, WorkspaceTree(stack, "q-1"))
            }
        }

        private func startAgent(_ stack: TestStack, _ tree: WorkspaceTree) async throws -> ProgramProcess {
            let sidecar = try stack.startAgent("q-1", sidecarOptions: ["--user", "1000:1000"])
            try await tree.awaitProgress()
            return sidecar
        }

        /// Waits until a task has failed an attempt, and answers the task.
        private func failedAttempt(_ stack: TestStack, _ id: String) async throws -> JSONValue {
            var task = JSONValue.null
            try await eventually("task \(id) fails an attempt", within: .seconds(30)) {
                task = try await stack.send("GET", "/v1/tasks/\(id)").json
                return task["error"]?.isNull == false
            }
            return task
        }

        private func expectNothingPublished(_ tree: WorkspaceTree) async throws {
            #expect(try tree.snapshots.isEmpty)
            try await eventually("no staging is left") { try tree.leftovers.isEmpty }
        }

        @Test func withoutASidecarTheTaskFailsAndSaysThatNoneEverAttached() async throws {
            try await withWorkspace(executor: ["EXECUTOR_QUIESCE_TIMEOUT": "300ms"]) { stack, tree in
                let id = try await stack.accept("POST", "/v1/workspaces/q-1/snapshots", body: [:])
                let task = try await stack.ended(id)
                #expect(task["status"] == "DEAD")
                #expect(task["attempt"] == 5)
                #expect(task["error"]?["code"] == "QUIESCE_TIMEOUT")
                #expect(task["error"]?["message"]?.string?.contains("no sidecar") == true, "\(task.text)")
                try await expectNothingPublished(tree)
            }
        }

        @Test func aSidecarThatNeverAnswersEndsInATimeoutAndTheAgentRuns() async throws {
            try await withWorkspace(executor: ["EXECUTOR_QUIESCE_TIMEOUT": "500ms"]) { stack, tree in
                let sidecar = try await startAgent(stack, tree)
                sidecar.signal(SIGSTOP)
                let id = try await stack.accept("POST", "/v1/workspaces/q-1/snapshots", body: [:])
                let task = try await failedAttempt(stack, id)
                #expect(task["error"]?["code"] == "QUIESCE_TIMEOUT", "\(task.text)")
                try await expectNothingPublished(tree)
                try await tree.awaitProgress("the agent runs beside its stopped sidecar")
                sidecar.signal(SIGCONT)
                let ended = try await stack.ended(id)
                #expect(ended["status"] == "SUCCEEDED", "\(ended.text)")
            }
        }

        @Test func aSidecarThatDiesBeforeItsAcknowledgementEndsInATimeoutAndTheAgentRuns() async throws {
            try await withWorkspace(
                failpoints: ["wvs-sidecar": "sidecar.frozen_before_ack:kill"],
                executor: ["EXECUTOR_QUIESCE_TIMEOUT": "500ms", "EXECUTOR_FREEZE_LEASE": "2s"]
            ) { stack, tree in
                let sidecar = try await startAgent(stack, tree)
                let id = try await stack.accept("POST", "/v1/workspaces/q-1/snapshots", body: [:])
                _ = try await sidecar.line { $0 == "failpoint sidecar.frozen_before_ack" }
                try await tree.awaitProgress("the agent runs after its sidecar died")
                let task = try await failedAttempt(stack, id)
                #expect(task["error"]?["code"] == "QUIESCE_TIMEOUT", "\(task.text)")
                try await expectNothingPublished(tree)
            }
        }

        @Test func aSidecarKilledWhileItsAgentIsFrozenVoidsTheCloneAndTheAgentRunsAtOnce() async throws {
            try await withWorkspace(
                failpoints: ["wvs-executor": "executor.snapshot.after_quiesce:stop"],
                executor: ["EXECUTOR_QUIESCE_TIMEOUT": "5s", "EXECUTOR_FREEZE_LEASE": "10s"]
            ) { stack, tree in
                let sidecar = try await startAgent(stack, tree)
                let id = try await stack.accept("POST", "/v1/workspaces/q-1/snapshots", body: [:])
                let executor = stack.program("wvs-executor")
                _ = try await executor.line { $0 == "failpoint executor.snapshot.after_quiesce" }
                let frozen = try tree.steps
                #expect(try tree.steps == frozen)
                sidecar.end(SIGKILL)
                try await tree.awaitProgress("the guardian thaws the agent")
                executor.signal(SIGCONT)
                let task = try await failedAttempt(stack, id)
                #expect(task["error"]?["code"] == "QUIESCE_BROKEN", "\(task.text)")
                try await expectNothingPublished(tree)
            }
        }

        @Test func anExecutorKilledWhileTheAgentIsFrozenLeavesItFrozenForTheLeaseAtMost() async throws {
            try await withWorkspace(
                failpoints: ["wvs-executor": "executor.snapshot.after_quiesce:kill"],
                executor: ["EXECUTOR_FREEZE_LEASE": "2s"]
            ) { stack, tree in
                _ = try await startAgent(stack, tree)
                let id = try await stack.accept("POST", "/v1/workspaces/q-1/snapshots", body: [:])
                let executor = stack.program("wvs-executor")
                _ = try await executor.line { $0 == "failpoint executor.snapshot.after_quiesce" }
                let died = MonotonicTime.now
                try await executor.ended()
                try await tree.awaitProgress("the lease ends")
                let stood = MonotonicTime.now - died
                print(
                    "executor killed while the agent was frozen: the agent ran again after \(stood.wholeMilliseconds) ms, lease 2000 ms"
                )
                #expect(stood < .seconds(4))
                #expect(try tree.snapshots.isEmpty)
                try await stack.start("wvs-executor")
                let task = try await stack.ended(id)
                #expect(task["status"] == "SUCCEEDED", "\(task.text)\n\(stack.logs)")
                #expect(try tree.check(snapshot: task.snapshotID).problems.isEmpty)
                try await eventually("no staging is left") { try tree.leftovers.isEmpty }
            }
        }

        /// Before anything is cloned again under the freeze; or in one phase, after a part of each attempt's 70 entries, whether the
        /// one before stopped at once or went on to its end.
        @Test(arguments: [
            ("executor.snapshot.after_quiesce", [1, 2, 3], 2), ("executor.clone.entry", [20, 80, 145], 1),
        ])
        func aLeaseThatLapsesInTheMiddleOfACloneVoidsItEveryTime(
            _ point: String, passages: [Int], phases: Int
        ) async throws {
            let rounds = passages.count
            let points = passages.map { "\(point):stop@\($0)" }.joined(separator: ",")
            try await withWorkspace(
                failpoints: ["wvs-executor": points],
                executor: ["EXECUTOR_FREEZE_LEASE": "600ms", "EXECUTOR_CLONE_PHASES": String(phases)]
            ) { stack, tree in
                _ = try await startAgent(stack, tree)
                let executor = stack.program("wvs-executor")
                let id = try await stack.accept("POST", "/v1/workspaces/q-1/snapshots", body: [:])
                for round in 1...rounds {
                    try await eventually("clone \(round) begins") {
                        executor.lines.count { $0 == "failpoint \(point)" } == round
                    }
                    try await tree.awaitProgress("the agent writes on in the middle of clone \(round)")
                    // On a busy machine so short a lease may also lapse before there is a clone: such an attempt counts too.
                    let attempt = try await stack.send("GET", "/v1/tasks/\(id)").json["attempt"]?.integer ?? 0
                    executor.signal(SIGCONT)
                    var error = JSONValue.null
                    try await eventually("attempt \(attempt) ends", within: .seconds(30)) {
                        error = try await stack.send("GET", "/v1/tasks/\(id)").json["error"] ?? .null
                        return (error["attempt"]?.integer ?? 0) >= attempt
                    }
                    #expect(error["code"] == "QUIESCE_BROKEN" || error["attempt"]?.integer != attempt, "\(error.text)")
                    #expect(try tree.snapshots.isEmpty)
                }
                let task = try await stack.ended(id)
                #expect(task["status"] == "SUCCEEDED", "the last attempts are left alone: \(task.text)")
                #expect(try tree.check(snapshot: task.snapshotID).problems.isEmpty)
                try await eventually("no staging is left") { try tree.leftovers.isEmpty }
            }
        }
    }
}
