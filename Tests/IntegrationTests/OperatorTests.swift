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
                let node = try stack.startNode()
                defer { node.end(SIGTERM) }
                try await body(stack)
            }
        }

        /// A program of `Tests/Peers` that sits at a terminal before wvsctl.
        private func drive(_ script: String, _ stack: TestStack, _ words: String...) async throws {
            let path = URL(fileURLWithPath: #filePath).appendingPathComponent("../../Peers/\(script)").standardized.path
            try await Command.run(["python3", path, ProgramProcess.folder + "/wvsctl", stack.apiURL] + words)
        }

        /// wvsctl as a process of its own, which a test can signal.
        private func wvsctl(_ stack: TestStack, _ words: String...) throws -> ProgramProcess {
            try ProgramProcess(
                "wvsctl", arguments: words, environment: ["WVS_API_URL": stack.apiURL, "WVSCTL_CONFIG": "/nonexistent"])
        }

        @Test func theMainFlowWorksByKeysAloneAndTheTerminalIsGivenBack() async throws {
            try await withOperatedStack { stack in
                try await drive("top_driver.py", stack, "flow")
                let current = try await stack.send("GET", "/v1/workspaces/by-keys/current").json["data"] ?? .null
                let snapshots = try await stack.send("GET", "/v1/workspaces/by-keys/snapshots").json["items"]?.array
                #expect(snapshots?.count == 1)
                #expect(snapshots?.first?["snapshot_id"] == current["current_snapshot_id"])
                #expect(snapshots?.first?["message"] == "kept")
            }
        }

        @Test func aTaskIsFollowedAndCancelledByKeysAndAWaitShowsWhereItStands() async throws {
            // No sidecar answers: a snapshot waits for one.
            try await withStack { stack, _ in
                try await stack.createWorkspace("ws-1")
                let id = try await stack.accept("POST", "/v1/workspaces/ws-1/snapshots", body: [:])
                try await drive("top_driver.py", stack, "follow", id)
                #expect(try await stack.ended(id)["status"] == "CANCELED")
                try await drive("prompt_driver.py", stack, "wait")
            }
        }

        @Test func whatDestroysIsAskedForAtATerminal() async throws {
            try await withOperatedStack { stack in
                try await stack.createWorkspace("ws-1")
                var ids: [String] = []
                for _ in 1...2 {
                    ids.append(try #require(try await stack.snapshot("ws-1")["result"]?["snapshot_id"]?.string))
                }
                func state() async throws -> (current: String?, snapshots: Int?) {
                    let workspace = try await stack.send("GET", "/v1/workspaces/ws-1").json
                    let snapshots = try await stack.send("GET", "/v1/workspaces/ws-1/snapshots").json
                    return (workspace["current_snapshot_id"]?.string, snapshots["items"]?.array?.count)
                }
                try await drive("prompt_driver.py", stack, "refuse", ids[0], ids[1])
                #expect(try await state() == (nil, 2))
                try await drive("prompt_driver.py", stack, "confirm", ids[0], ids[1])
                #expect(try await state() == (ids[0], 1))
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
                    ("wvsctl snapshot get ws-1 zz", 2, "neither the id of a snapshot of ws-1 nor the"),
                    ("wvsctl workspace get a/b", 2, "WSID: 'a/b' is no workspace's name: 3 to 63 of a-z, 0-9 and '-'"),
                    ("wvsctl task list --wsid WS-1", 2, "--wsid: 'WS-1' is no workspace's name"),
                    ("wvsctl workspace list > /dev/full", 1, "write standard output: No space left on device"),
                    ("wvsctl workspace create ws-1 --owner you", 5, "WVS_CONFLICT_EXISTS"),
                    ("wvsctl workspace create ws-1 --owner you --dry-run", 5, "workspace ws-1 exists already"),
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

        @Test func theRoundOfTheDocumentOnHTTPCanBeRunAsItStands() async throws {
            let path = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../docs/http.md").standardized.path
            let parts = try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "```")
            let script = try #require(parts.first { $0.hasPrefix("sh\n") }).dropFirst("sh\n".count)
            try await withOperatedStack { stack in
                let text = try await Command.run([
                    "env", "WVS_API_URL=\(stack.apiURL)", "bash", "-euo", "pipefail", "-c", String(script),
                ])
                let listed = ["set_current", "snapshot_create", "init_workspace"].map { "\($0)\tSUCCEEDED\n" }
                #expect(text.hasSuffix(listed.joined()))
            }
        }

        @Test func waitingEndsWithTheTimeOrCtrlCAndTheTaskGoesOn() async throws {
            // No sidecar answers: a snapshot waits for one.
            try await withStack(TestStack.Options()) { stack, _ in
                try await stack.createWorkspace("ws-1")
                let late = try await shell(stack, "wvsctl snapshot create ws-1 --wait --timeout 1s")
                #expect(late.status == 6 && late.text.contains("has not ended within 1s: it is "), "\(late.text)")
                let id = try await shell(stack, "wvsctl task list -o name --limit 1").text
                let watch = try wvsctl(stack, "task", "watch", id)
                _ = try await watch.line { $0.contains("snapshot_create") }
                #expect(watch.end(SIGINT) == 130)
                #expect(watch.lines.contains("stopped waiting; the task goes on: wvsctl task watch \(id)"))
                let cancelled = try await shell(stack, "wvsctl task cancel \(id) --wait")
                #expect(cancelled.status == 0 && cancelled.text.contains("CANCELED"), "\(cancelled.text)")
                let watched = try await shell(stack, "wvsctl task watch \(id)")
                #expect(watched.status == 7 && watched.text.contains("is CANCELED"), "\(watched.text)")
            }
        }

        @Test func aServerThatComesBackIsWaitedFor() async throws {
            // The task cannot end while the server is away: nobody answers for the workspace before.
            try await withStack { stack, _ in
                try await stack.createWorkspace("ws-1")
                let waiting = try wvsctl(stack, "snapshot", "create", "ws-1", "--wait", "-v")
                _ = try await waiting.line { $0.hasPrefix("GET ") && $0.contains("/v1/tasks/") }
                stack.program("wvs-api").end(SIGKILL)
                let looks = waiting.lines.count
                try await eventually("it goes on looking", within: .seconds(60)) { waiting.lines.count > looks + 2 }
                try await stack.start("wvs-api")
                let node = try stack.startNode()
                defer { node.end(SIGTERM) }
                #expect(try await waiting.ended(within: .seconds(120)) == 0, "\(waiting.tail)")
                #expect(waiting.lines.contains { $0.contains("SUCCEEDED") }, "\(waiting.tail)")
            }
        }

        @Test func aRequestIsRepeatedUnderItsKey() async throws {
            try await withOperatedStack { stack in
                try await stack.createWorkspace("ws-1")
                let lost = try await shell(stack, "wvsctl snapshot create ws-1 -v --api-url http://127.0.0.1:1")
                #expect(lost.status == 8)
                let key = try #require(lost.text.firstMatch(of: /idempotency key (\S+)/)?.1, "\(lost.text)")
                #expect(lost.text.contains("--idempotency-key \(key)"), "\(lost.text)")
                let line = "wvsctl snapshot create ws-1 -m once --wait --json --idempotency-key \(key)"
                let first = try await shell(stack, line + " | jq -r .task_id")
                let again = try await shell(stack, line + " -v")
                #expect(again.text.contains("this key was used before"), "\(again.text)")
                #expect(again.text.contains("\"task_id\": \"\(first.text)\""), "\(again.text)")
                #expect(try await shell(stack, "wvsctl snapshot list ws-1 -o name | wc -l").text == "1")
            }
        }

        @Test func aDryRunLooksForWhatItNames() async throws {
            try await withOperatedStack { stack in
                try await stack.createWorkspace("ws-1")
                let id = try #require(try await stack.snapshot("ws-1")["result"]?["snapshot_id"]?.string)
                let nowhere = "00000000-0000-7000-8000-000000000000"
                for (line, status) in [
                    ("snapshot create ws-1", 0), ("snapshot create nobody", 3), ("snapshot drop ws-1 \(id)", 0),
                    ("snapshot drop ws-1 \(nowhere)", 3), ("current set ws-1 \(id)", 0),
                    ("current set ws-1 \(nowhere)", 3), ("workspace retry-init ws-1", 5),
                    ("workspace disable nobody", 3),
                    ("task cancel \(nowhere)", 3), ("workspace create ws-2 --owner me", 0),
                    ("workspace create ws-1 --owner me", 5),
                ] {
                    let ended = try await shell(stack, "wvsctl \(line) --dry-run")
                    #expect(ended.status == status, "\(line): \(ended.text)")
                    #expect(ended.text.contains("nothing was changed") == (status == 0), "\(line): \(ended.text)")
                }
                #expect(try await shell(stack, "wvsctl task list -o name | wc -l").text == "2")
            }
        }

        @Test func aWorkspaceThatWasNotMadeIsMadeByRetryInit() async throws {
            try await withStack { stack, _ in
                stack.program("wvs-worker").end(SIGTERM)
                let id = try await shell(stack, "wvsctl workspace create ws-1 --owner me -o name 2>/dev/null").text
                #expect(try await shell(stack, "wvsctl task cancel \(id) -o json | jq -r .status").text == "CANCELED")
                #expect(try await shell(stack, "wvsctl workspace get ws-1 --json | jq -r .state").text == "INIT_FAILED")
                let refused = try await shell(stack, "wvsctl snapshot create ws-1")
                #expect(refused.status == 5 && refused.text.contains("retry-init"), "\(refused.text)")
                try await stack.start("wvs-worker")
                let made = try await shell(stack, "wvsctl workspace retry-init ws-1 --wait")
                #expect(made.status == 0 && made.text.contains("SUCCEEDED"), "\(made.text)")
                #expect(try await shell(stack, "wvsctl workspace get ws-1 --json | jq -r .state").text == "ACTIVE")
            }
        }

        @Test func whatHappenedCanBeReadAgain() async throws {
            try await withOperatedStack { stack in
                try await stack.createWorkspace("ws-1")
                let task = try await stack.snapshot("ws-1")
                let taskID = try #require(task["task_id"]?.string)
                let snapshot = try #require(task["result"]?["snapshot_id"]?.string)
                func lines(_ line: String) async throws -> [String] {
                    let ended = try await shell(stack, line)
                    #expect(ended.status == 0, "\(line): \(ended.text)")
                    return ended.text.split(separator: "\n").map(String.init)
                }
                #expect(
                    try await lines("wvsctl task get \(taskID) | awk '$1 == \"status\" { print $2 }'") == ["SUCCEEDED"])
                let audit = try await lines("wvsctl audit list --task-id \(taskID) --json | jq -r '.items[].action'")
                #expect(audit == Array(repeating: "workspace.snapshot_create", count: 3), "accepted, begun, ended")
                #expect(
                    try await lines("wvsctl audit list --wsid ws-1 --action workspace.create | sed 1d").count == 1)
                // Ids begin with their time: the first digit is all of ours.
                let ambiguous = try await shell(stack, "wvsctl task get \(taskID.prefix(1))")
                #expect(ambiguous.status == 2 && ambiguous.text.contains("more than one task"), "\(ambiguous.text)")

                let before = try await lines("wvsctl current get ws-1 -o name")
                let set = "wvsctl current set ws-1 \(snapshot) --wait --json"
                #expect(try await lines("\(set) | jq .noop") == ["false"])
                let after = try await lines("wvsctl current get ws-1 -o name")
                #expect(before.count == 1 && before != after)
                #expect(try await lines("\(set) | jq .noop") == ["true"])
                #expect(try await lines("wvsctl current get ws-1 -o name") == after)
                #expect(try await lines("\(set) --discard | jq .noop") == ["false"])
                #expect(try await lines("wvsctl current get ws-1 -o name") != after)
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
