import Foundation
import JSON
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// wvsctl as a person or a script uses it, before a whole stack.
    @Suite struct OperatorTests {
        /// Runs a line of shell in which `wvsctl` is the program, before the stack's API.
        ///
        /// - Returns: what it wrote to both outputs, and its exit status.
        private func shell(_ stack: TestStack, _ line: String) async throws -> (text: String, status: Int) {
            let script = """
                export WVS_API_URL=\(stack.apiURL) WVSCTL_CONFIG=/nonexistent
                wvsctl() { "\(ProgramProcess.folder)/wvsctl" "$@"; }
                \(line)
                """
            let text = try await Command.run(["sh", "-c", "{ \(script)\n} 2>&1; echo \"status $?\""])
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            let index = try #require(lines.lastIndex { $0.hasPrefix("status ") })
            return (
                lines[..<index].joined(separator: "\n"), try #require(Int(lines[index].dropFirst("status ".count)))
            )
        }

        private func withOperatedStack(_ body: (TestStack) async throws -> Void) async throws {
            try await withStack(TestStack.Options()) { stack, _ in
                // Answers for the workspaces, none of which has an agent.
                let node = try ProgramProcess(
                    "wvs-sidecar", arguments: ["node", "--root", stack.mount],
                    environment: ["WVS_STATE_DIR": stack.mount + ".node"])
                defer { node.end(SIGTERM) }
                try await body(stack)
            }
        }

        @Test func theMainFlowWorksByKeysAloneAndTheTerminalIsGivenBack() async throws {
            try await withOperatedStack { stack in
                let script = URL(fileURLWithPath: #filePath).appendingPathComponent("../../Peers/top_driver.py")
                    .standardized.path
                try await Command.run(["python3", script, ProgramProcess.folder + "/wvsctl", stack.apiURL])
                let current = try await stack.send("GET", "/v1/workspaces/by-keys/current").json["data"] ?? .null
                let snapshots = try await stack.send("GET", "/v1/workspaces/by-keys/snapshots").json["items"]?.array
                #expect(snapshots?.count == 1)
                #expect(snapshots?.first?["snapshot_id"] == current["current_snapshot_id"])
                #expect(snapshots?.first?["message"] == "kept")
            }
        }

        @Test func eachEndOfACommandHasItsOwnExitStatus() async throws {
            try await withOperatedStack { stack in
                #expect(try await shell(stack, "wvsctl workspace create ws-1 --owner me --wait").status == 0)
                let first = try await shell(stack, "wvsctl snapshot create ws-1 -m one --wait -o name")
                #expect(first.status == 0 && first.text.count == 36, "\(first.text)")
                for (line, status, said) in [
                    ("wvsctl snapshot frobnicate ws-1", 2, "snapshot can create, get, list, drop"),
                    ("wvsctl workspace list --limit 1000", 2, "--limit: expected a whole number, 1 to 100"),
                    ("wvsctl workspace get nobody", 3, "WVS_NOT_FOUND"),
                    ("wvsctl snapshot get ws-1 ffff", 3, "no snapshot of ws-1 has an id that begins with 'ffff'"),
                    ("wvsctl workspace create ws-1 --owner you", 5, "WVS_CONFLICT_EXISTS"),
                    ("wvsctl workspace get ws-1 --api-url http://127.0.0.1:1", 8, "127.0.0.1:1"),
                    ("wvsctl obs summary --metrics-url http://127.0.0.1:1", 8, "the metrics store"),
                    ("wvsctl top", 2, "top needs a terminal"),
                ] {
                    let ended = try await shell(stack, line)
                    #expect(ended.status == status, "\(line): \(ended.text)")
                    #expect(ended.text.contains(said), "\(line): \(ended.text)")
                }
                #expect(try await shell(stack, "wvsctl current set ws-1 \(first.text.prefix(30)) --wait").status == 0)
                let dropped = try await shell(stack, "wvsctl snapshot drop ws-1 \(first.text) --yes")
                #expect(dropped.status == 5 && dropped.text.contains("WVS_CONFLICT_SNAPSHOT_IN_USE"), "\(dropped.text)")
                let told = try await shell(stack, "wvsctl workspace disable ws-1 --dry-run")
                #expect(told.status == 0 && told.text.contains("nothing was changed"))
                #expect(try await shell(stack, "wvsctl workspace get ws-1 --json | jq -r .state").text == "ACTIVE")
                #expect(try await shell(stack, "wvsctl workspace disable ws-1").status == 0)
                #expect(try await shell(stack, "wvsctl snapshot create ws-1").status == 5)
            }
        }

        @Test func waitingEndsWithTheTimeOrCtrlCAndTheTaskGoesOn() async throws {
            // No sidecar answers: a snapshot waits for one.
            try await withStack(TestStack.Options()) { stack, _ in
                try await stack.createWorkspace("ws-1")
                let late = try await shell(stack, "wvsctl snapshot create ws-1 --wait --timeout 1s")
                #expect(late.status == 6 && late.text.contains("has not ended within 1s"), "\(late.text)")
                let id = try await shell(stack, "wvsctl task list -o name --limit 1").text
                let line = "timeout --signal INT 1 \(ProgramProcess.folder)/wvsctl task watch \(id); echo $?"
                let interrupted = try await shell(stack, line)
                #expect(interrupted.text.contains("stopped waiting; the task goes on: wvsctl task watch \(id)"))
                let cancelled = try await shell(stack, "wvsctl task cancel \(id) --wait")
                #expect(cancelled.status == 0 && cancelled.text.contains("CANCELED"), "\(cancelled.text)")
                let watched = try await shell(stack, "wvsctl task watch \(id)")
                #expect(watched.status == 7 && watched.text.contains("is CANCELED"), "\(watched.text)")
            }
        }

        @Test func aServerThatComesBackIsWaitedFor() async throws {
            try await withOperatedStack { stack in
                try await stack.createWorkspace("ws-1")
                let api = stack.program("wvs-api")
                async let waited = shell(stack, "wvsctl snapshot create ws-1 -v --wait --timeout 60s")
                api.end(SIGKILL)
                try await stack.start("wvs-api")
                let ended = try await waited
                // It was killed before the request came, or after: never a wait that breaks off.
                #expect(
                    ended.status == 0 || ended.status == 8 && !ended.text.contains("idempotency key"), "\(ended.text)")
            }
        }

        @Test func everyFormOfOutputHoldsTheSameData() async throws {
            try await withOperatedStack { stack in
                try await stack.createWorkspace("ws-1")
                for message in ["one", "two"] {
                    _ = try await shell(stack, "wvsctl snapshot create ws-1 -m \(message) --wait")
                }
                let names = try await shell(stack, "wvsctl snapshot list ws-1 -o name").text
                #expect(names.split(separator: "\n").count == 2)
                for form in [
                    "-o json | jq -r '.items[].snapshot_id'", "-o jsonl | jq -r .snapshot_id",
                    "-o yaml | sed -n 's/^- snapshot_id: \"\\(.*\\)\"/\\1/p'", "-o table | sed 1d | cut -d' ' -f1",
                    "-o wide --all | sed 1d | cut -d' ' -f1",
                ] {
                    #expect(try await shell(stack, "wvsctl snapshot list ws-1 \(form)").text == names, "\(form)")
                }
                let pages = try await shell(stack, "wvsctl snapshot list ws-1 --limit 1 --all -o name").text
                #expect(pages == names)
                let completed = try await shell(stack, "wvsctl __complete snapshot get ws-1 ''").text
                #expect(completed == names)
            }
        }
    }
}
