import Foundation
import Glibc
import JSON
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// What an operator sees of a running stack: metrics, the store behind `wvsctl obs`, and one request in every log.
    @Suite struct ObservationTests {
        /// What a program counts: its metrics' types and labels (seeds 09, design 9). Nothing more, nothing less.
        private static let contract: [String: [String: String]] = [
            "wvs-api": [
                "wvs_http_requests_total": "counter route,method,code",
                "wvs_http_request_duration_seconds": "histogram route,method", "wvs_active_requests": "gauge",
                "wvs_task_total": "counter op,status", "wvs_workspace_state_transitions_total": "counter from,to",
                "wvs_build_info": "gauge version",
            ],
            "wvs-worker": [
                "wvs_task_total": "counter op,status", "wvs_task_duration_seconds": "histogram op",
                "wvs_task_queue_depth": "gauge", "wvs_task_oldest_age_seconds": "gauge",
                "wvs_task_retry_total": "counter op", "wvs_lock_wait_seconds": "histogram",
                "wvs_dequeue_empty_total": "counter", "wvs_workspace_state_transitions_total": "counter from,to",
                "wvs_reaped_total": "counter", "wvs_snapshot_purge_failures_total": "counter",
                "wvs_build_info": "gauge version",
            ],
            "wvs-executor": [
                "wvs_clone_duration_seconds": "histogram op", "wvs_clone_entries_total": "counter op",
                "wvs_clone_fail_total": "counter reason", "wvs_quiesce_wait_seconds": "histogram",
                "wvs_quiesce_timeout_total": "counter", "wvs_quiesce_broken_total": "counter",
                "wvs_freeze_window_seconds": "histogram op", "wvs_switch_duration_seconds": "histogram",
                "wvs_executor_active_tasks": "gauge", "wvs_trash_folders": "gauge",
                "wvs_trash_removed_entries_total": "counter", "wvs_build_info": "gauge version,executor_id",
            ],
        ]

        /// A stack on which all four operations have succeeded, and a snapshot has met a quiesce timeout before.
        private func withUsedStack(_ body: (TestStack) async throws -> Void) async throws {
            var options = TestStack.Options()
            options.environment["wvs-executor"] = ["EXECUTOR_QUIESCE_TIMEOUT": "4s"]
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("ws-1")
                let id = try await stack.accept("POST", "/v1/workspaces/ws-1/snapshots", body: [:])
                try await eventually("an attempt finds no sidecar", within: .seconds(60)) {
                    try await stack.send("GET", "/v1/tasks/\(id)").json["error"]?["code"] == "QUIESCE_TIMEOUT"
                }
                let node = try stack.startNode()
                defer { node.end(SIGTERM) }
                let first = try await stack.ended(id)
                let kept = try #require(first["result"]?["snapshot_id"]?.string, "\(first.text)")
                try await stack.setCurrent("ws-1", kept)
                let other = try await stack.snapshot("ws-1")
                let dropped = try #require(other["result"]?["snapshot_id"]?.string)
                try await stack.succeed("DELETE", "/v1/workspaces/ws-1/snapshots/\(dropped)")
                try await body(stack)
            }
        }

        @Test func everyProgramServesExactlyTheMetricsOfTheContract() async throws {
            try await withUsedStack { stack in
                for (program, expected) in Self.contract {
                    let address = try await stack.program(program).address("metrics")
                    let page = try await HTTPExchange.send("GET", "/metrics", to: address).body
                    let complaints = try await Command.run(
                        ["sh", "-c", "printf %s \"$1\" | promtool check metrics", "sh", page])
                    #expect(complaints == "", "\(program)")
                    let found = MetricsPage(page)
                    #expect(found.types == expected.mapValues { String($0.prefix { $0 != " " }) }, "\(program)")
                    for (metric, labels) in found.labels {
                        let declared = expected[metric]?.split(separator: " ").dropFirst().joined() ?? ""
                        #expect(labels == declared, "\(program): \(metric)")
                    }
                    #expect(!page.contains("ws-1"), "\(program): no series for each workspace")
                }
            }
        }

        @Test func theReferenceHasTheContractsLabels() throws {
            let reference = try String(
                contentsOf: URL(fileURLWithPath: #filePath).appendingPathComponent("../../../docs/metrics.md")
                    .standardized,
                encoding: .utf8)
            var found: [String: [String: String]] = [:]
            var program = ""
            for line in reference.split(separator: "\n") {
                if line.hasPrefix("## ") { program = String(line.dropFirst(3)) }
                guard let row = line.firstMatch(of: /^\| `(\w+)` \| (\w+) \| ([^|]*) \|/) else { continue }
                let labels = row.3.filter { $0 != "`" && $0 != " " }
                found[program, default: [:]][String(row.1)] = labels.isEmpty ? String(row.2) : "\(row.2) \(labels)"
            }
            #expect(found == Self.contract)
        }

        @Test func obsSaysThatThereIsNoDataAndThenAnswersFromTheStore() async throws {
            try await withUsedStack { stack in
                let store = try await MetricsStore(folder: stack.mount + ".metrics")
                defer { store.end() }
                func obs(_ verb: String, _ rest: String = "--json 2>/dev/null") async throws -> String {
                    try await Command.run([
                        "sh", "-c",
                        "\(ProgramProcess.folder)/wvsctl obs \(verb) --metrics-url \(store.url) \(rest)",
                    ])
                }
                for verb in ["summary", "latency", "queue", "quiesce"] {
                    #expect(
                        try await obs(verb, "2>&1 >/dev/null").contains("no data yet for the last 3600s"), "\(verb)")
                }
                #expect(try JSONValue(parsing: try await obs("quiesce"))["timeouts"]?.isNull == true)

                try await store.scrape(stack)
                // Five tasks ended; their last scrape may be the one to come.
                try await eventually("the store knows all tasks\n\(store.logs)", within: .seconds(120)) {
                    try JSONValue(parsing: try await obs("summary"))["tasks_ended"]?.double?.rounded() == 5
                }
                let summary = try JSONValue(parsing: try await obs("summary"))
                #expect(summary["task_success_rate"]?.double == 1, "\(summary.text)")
                #expect(summary["queue_depth"]?.double == 0)
                #expect((summary["task_latency_p95_ms"]?.double ?? 0) > 1)
                let latency = try JSONValue(parsing: try await obs("latency"))["items"]?.array ?? []
                #expect(
                    Set(latency.compactMap { $0["op"]?.string }) == [
                        "init_workspace", "snapshot_create", "set_current", "snapshot_drop",
                    ])
                for row in latency {
                    let (median, most) = (row["p50_ms"]?.double ?? 0, row["p99_ms"]?.double ?? 0)
                    #expect(median > 0 && median <= most && most < 120_000, "\(row.text)")
                }
                let queue = try JSONValue(parsing: try await obs("queue"))
                #expect((queue["retries"]?.double ?? 0) >= 1, "\(queue.text)")
                #expect(queue["running_tasks"]?.double == 0)
                let quiesce = try JSONValue(parsing: try await obs("quiesce"))
                #expect((quiesce["timeouts"]?.double ?? 0) >= 1, "\(quiesce.text)")
                #expect(quiesce["freezes"]?.double?.rounded() == 3, "two snapshots and a rollback: \(quiesce.text)")
                let rate = try #require(quiesce["timeout_rate"]?.double)
                #expect(rate > 0 && rate < 1)
                #expect(try await !obs("quiesce", "2>&1").contains("no data"))
            }
        }

        @Test func oneRequestIsFoundInTheLogsOfEveryProgramItPassed() async throws {
            try await withStack { stack, _ in
                try await stack.createWorkspace("ws-1", uid: 1000)
                let sidecar = try stack.startAgent("ws-1", sidecarOptions: ["--user", "1000:1000"])
                try await WorkspaceTree(stack, "ws-1").awaitProgress()
                let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
                let answer = try await stack.send(
                    "POST", "/v1/workspaces/ws-1/snapshots", key: "k",
                    headers: [
                        "X-Request-Id": "follow-me", "traceparent": "00-\(trace)-00f067aa0ba902b7-01",
                    ], body: [:])
                let id = try #require(try answer.json["task_id"]?.string, "\(answer.body)")
                #expect(try await stack.ended(id)["status"] == "SUCCEEDED")
                for program in ["wvs-api", "wvs-worker", "wvs-executor"] {
                    _ = try await stack.program(program).line { line in
                        let json = try? JSONValue(parsing: line)
                        return json?["request_id"] == "follow-me" && json?["trace_id"]?.string == trace
                            && json?["task_id"]?.string == id
                    }
                }
                // The control file carries the request, not its trace.
                _ = try await sidecar.line { line in
                    let json = try? JSONValue(parsing: line)
                    return json?["request_id"] == "follow-me" && json?["task_id"]?.string == id
                }
            }
        }
    }
}

/// The text format 0.0.4, as far as types and labels go.
private struct MetricsPage {
    private(set) var types: [String: String] = [:]
    /// By metric, where it has samples: its labels' names, `le` left out.
    private(set) var labels: [String: String] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE ") {
                types[String(words[2])] = String(words[3])
            } else if !line.hasPrefix("#") {
                let series = line.prefix { $0 != "{" && $0 != " " }
                let metric =
                    ["_bucket", "_sum", "_count"].lazy.filter { series.hasSuffix($0) }
                    .map { String(series.dropLast($0.count)) }.first { types[$0] == "histogram" } ?? String(series)
                let names = line.contains("{") ? line.matches(of: /[{,]([a-z_]+)="/).map { String($0.1) } : []
                labels[metric] = names.filter { $0 != "le" }.joined(separator: ",")
            }
        }
    }
}
