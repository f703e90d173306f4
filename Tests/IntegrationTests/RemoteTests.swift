import Foundation
import Glibc
import JSON
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// The whole service on JuiceFS: the executor on one mount of the volume, the agent and its sidecar on another.
    @Suite struct RemoteTests {
        /// Makes a file after the other by way of `current`, each named after the moment before its making, in microseconds.
        private static let filing = """
            import itertools, os, sys, time
            for number in itertools.count():
                name = f"{sys.argv[1]}/current/filed-{time.time_ns() // 1000}-{number}"
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                time.sleep(0.001)
            """
        private static let sidecarOptions = ["--user", "1000:1000", "--poll-interval", "10ms"]

        private func withRemoteStack(_ body: (TestStack, JuiceFSVolume) async throws -> Void) async throws {
            try await TestDatabase.with { database in
                try await JuiceFSVolume.with { volume in
                    var options = TestStack.Options()
                    options.engine = "copy"
                    options.agentMount = volume.mounts[0].path
                    // The trees that were current before are looked at.
                    options.environment["wvs-executor"] = ["EXECUTOR_LIVE_RETENTION": "20"]
                    let stack = try await TestStack(
                        database: database, mount: volume.mounts[1].path, options: options)
                    defer { stack.end() }
                    try await stack.createWorkspace("far", uid: 1000)
                    try await body(stack, volume)
                }
            }
        }

        /// The moments of the files in a live tree, as the executor's mount lists them.
        private func moments(_ tree: WorkspaceTree, _ live: String) throws -> [Int64] {
            try FileManager.default.contentsOfDirectory(atPath: "\(tree.path)/\(live)")
                .filter { $0.hasPrefix("filed-") }.compactMap { Int64($0.split(separator: "-")[1]) }
        }

        @Test func afterARollbackNotOneFileOfAWritingAgentLandsInTheOldTree() async throws {
            try await withRemoteStack { stack, volume in
                let tree = WorkspaceTree(stack, "far")
                try stack.startAgent(
                    "far", command: ["/usr/bin/python3", "-c", Self.filing, "\(volume.mounts[0].path)/far"],
                    sidecarOptions: Self.sidecarOptions)
                let first = try tree.current
                try await eventually("the agent writes", within: .seconds(30)) { try moments(tree, first).count > 20 }
                let snapshot = try await stack.snapshot("far").snapshotID
                var windows: [Double] = []
                var files = 0
                for round in 1...10 {
                    let old = try tree.current
                    let task = try await stack.succeed(
                        "POST", "/v1/workspaces/far/current:set",
                        body: ["snapshot_id": .string(snapshot), "discard": true])
                    let acknowledgement = try #require(task.acknowledgements.first)
                    #expect(acknowledgement["held"] == true, "\(task.text)")
                    let frozenAt = try #require(acknowledgement["frozen_at"]?.string.flatMap(Timestamp.init))
                    windows.append(task["result"]?["receipt"]?["window_ms"]?.double ?? .infinity)
                    let new = try tree.current
                    try await eventually("the agent works in the new tree", within: .seconds(30)) {
                        try moments(tree, new).count { $0 > frozenAt.microseconds } > 20
                    }
                    let inOld = try moments(tree, old)
                    files += inOld.count
                    let late = inOld.count { $0 > frozenAt.microseconds }
                    #expect(late == 0, "round \(round): \(late) files landed in the old tree")
                }
                print(
                    "10 rollbacks across two mounts, \(files) files in the old trees, none of them late; the agent stood "
                        + "still for \(windows.sorted()[5]) ms (median)")
            }
        }

        /// Appends to logs, replaces files by rename, and tells what is complete in a file elsewhere: `TAG COUNT` is replaced
        /// before the file named after it is.
        private static let growing = """
            import os, sys, time
            live, truth = sys.argv[1] + "/current", sys.argv[2]
            logs = [os.open(f"{live}/log-{n}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644) for n in range(20)]
            count = 0
            while True:
                count += 1
                for log in logs: os.write(log, b"%015d\\n" % count)
                for n in range(20):
                    with open(f"{live}/new-{n}", "wb") as out: out.write(b"%015d\\n" % count * (count % 7 + 1))
                    os.rename(f"{live}/new-{n}", f"{live}/file-{n}")
                with open(truth + ".new", "w") as out: out.write(str(count))
                os.rename(truth + ".new", truth)
                time.sleep(0.002)
            """

        /// One after the other, so that what the executor's mount remembers of the last one (attributes and names, for a second)
        /// is there to mislead it.
        @Test func snapshotsInQuickSuccessionHaveAllThatAnAgentOnAnotherMountHadWritten() async throws {
            try await withRemoteStack { stack, volume in
                let tree = WorkspaceTree(stack, "far")
                let truth = try stack.tickerFile()
                func written() throws -> Int {
                    try Int(String(contentsOfFile: truth, encoding: .utf8)) ?? 0
                }
                try stack.startAgent(
                    "far", command: ["/usr/bin/python3", "-c", Self.growing, "\(volume.mounts[0].path)/far", truth],
                    sidecarOptions: Self.sidecarOptions)
                try await eventually("the agent writes", within: .seconds(60)) {
                    try FileManager.default.fileExists(atPath: truth) && written() > 5
                }
                var rounds: [Int] = []
                for round in 1...15 {
                    let before = try written()
                    let path = "\(tree.path)/snapshots/\(try await stack.snapshot("far").snapshotID)"
                    let problems = try (0..<20).flatMap { number in
                        try problem(path, number, atLeast: before)
                    }
                    #expect(problems.isEmpty, "snapshot \(round): \(problems)")
                    rounds.append(before)
                }
                #expect(Set(rounds).count > 5, "the agent had something new to say")
            }
        }

        private func problem(_ path: String, _ number: Int, atLeast count: Int) throws -> [String] {
            func lines(_ name: String) throws -> [Int?] {
                try String(contentsOfFile: "\(path)/\(name)-\(number)", encoding: .utf8)
                    .split(separator: "\n", omittingEmptySubsequences: true).map { Int($0) }
            }
            let (log, file) = (try lines("log"), try lines("file"))
            var problems: [String] = []
            if log != (1...max(1, log.count)).map({ $0 }) { problems.append("log-\(number) has gaps") }
            if log.count < count { problems.append("log-\(number) has \(log.count) of \(count) records") }
            guard let newest = file.first ?? nil, newest >= count || newest == log.count - 1 else {
                return problems + ["file-\(number) is old: \(file.first.debugDescription) at \(count)"]
            }
            // The agent stands still at one point of its round: what it writes later is at most one behind.
            if !(log.count - 1...log.count).contains(newest) {
                problems.append("file-\(number) is of round \(newest), log-\(number) of \(log.count)")
            }
            if file.count != newest % 7 + 1 { problems.append("file-\(number) is cut to \(file.count)") }
            return problems
        }

        @Test func aMountWhoseDaemonDiedFailsTheTaskWithTheCauseAndTheExecutorIsUnready() async throws {
            try await withRemoteStack { stack, volume in
                let executor = try await stack.program("wvs-executor").address("metrics")
                let ready = { try await HTTPExchange.send("GET", "/readyz", to: executor).status }
                try await eventually("the executor is ready", within: .seconds(30)) { try await ready() == 200 }
                volume.mounts[1].daemon.end(SIGKILL)
                try await eventually("the executor is unready", within: .seconds(30)) { try await ready() == 503 }
                let id = try await stack.accept("POST", "/v1/workspaces/far/snapshots", body: [:])
                let task = try await stack.ended(id, within: .seconds(90))
                #expect(task["status"] == "DEAD", "\(task.text)")
                #expect(
                    task["error"]?["message"]?.string?.contains("endpoint is not connected") == true, "\(task.text)")
                #expect(!stack.program("wvs-executor").hasEnded)
            }
        }
    }
}
