import FakeAgent
import Glibc
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// The sidecar stopped at every named point of a snapshot, alone and together with another party's death.
    @Suite struct StopTests {
        enum Death: String, CaseIterable, CustomTestStringConvertible {
            case nobody, guardian, executor

            var testDescription: String { rawValue }
        }

        private static let lease = Duration.seconds(2)

        @Test(
            arguments: [
                "sidecar.request_seen", "sidecar.frozen", "sidecar.flushed", "sidecar.frozen_before_ack",
                "sidecar.ack_written", "sidecar.resume_seen", "sidecar.thawed", "sidecar.held_written",
            ], Death.allCases)
        func nothingTornComesOfAStoppedSidecar(_ point: String, andTheDeathOf death: Death) async throws {
            var options = TestStack.Options()
            options.failpoints["wvs-sidecar"] = "\(point):stop"
            options.environment["wvs-executor"] = [
                "EXECUTOR_QUIESCE_TIMEOUT": "2s", "EXECUTOR_FREEZE_LEASE": Self.lease.text,
            ]
            options.environment["wvs-worker"] = ["WORKER_LEASE": "2s"]
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("stop", uid: 1000)
                let tree = WorkspaceTree(stack, "stop")
                let ticker = try stack.tickerFile()
                let sidecar = try stack.startAgent("stop", sidecarOptions: ["--user", "1000:1000"], ticker: ticker)
                try await tree.awaitProgress()
                let began = Timestamp.now
                let id = try await stack.accept("POST", "/v1/workspaces/stop/snapshots", body: [:])
                _ = try await sidecar.line { $0 == "failpoint \(point)" }
                switch death {
                case .nobody:
                    try await tree.awaitProgress("the guardian lets the agent run")
                    sidecar.signal(SIGCONT)
                case .executor:
                    stack.program("wvs-executor").end(SIGKILL)
                    try await tree.awaitProgress("the guardian lets the agent run")
                    sidecar.signal(SIGCONT)
                    try await stack.start("wvs-executor")
                case .guardian:
                    kill(try guardian(of: sidecar), SIGKILL)
                    sidecar.signal(SIGCONT)
                    // It has nobody to thaw in its place, and ends; its agent keeps the log open.
                    _ = try await sidecar.line { $0.contains("the guardian is gone") }
                    #expect(sidecar.wait() == 125)
                    try await tree.awaitProgress("the sidecar has let the agent run")
                    try await stack.endOrphans(of: tree.path)
                    try stack.startAgent("stop", sidecarOptions: ["--user", "1000:1000"], ticker: ticker)
                }
                let task = try await stack.ended(id)
                #expect(task["status"] == "SUCCEEDED", "\(task.text)\n\(stack.logs)")
                #expect(try tree.check(snapshot: task.snapshotID).problems.isEmpty)
                try await tree.awaitProgress("the agent works after all")
                try await eventually("no staging is left") { try tree.leftovers.isEmpty }
                let longest = try Ticker.longestGap(path: ticker, from: began, to: .now) ?? .zero
                #expect(longest < Self.lease + .seconds(1), "the agent stood still for \(longest)")
            }
        }

        /// Its only child of that name.
        private func guardian(of sidecar: ProgramProcess) throws -> CInt {
            for word in try text("/proc/\(sidecar.pid)/task/\(sidecar.pid)/children").split(separator: " ") {
                if let pid = CInt(word), try text("/proc/\(pid)/comm") == "wvs-guardian\n" { return pid }
            }
            throw SystemError("find", "the guardian", errno: ENOENT)
        }

        private func text(_ path: String) throws -> String {
            let file = FileDescriptor(owning: try systemCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) })
            var bytes = [UInt8](repeating: 0, count: 4096)
            let raw = file.raw
            let count = try systemCall("read", path) { read(raw, &bytes, bytes.count) }
            return String(decoding: bytes[..<count], as: UTF8.self)
        }
    }
}
