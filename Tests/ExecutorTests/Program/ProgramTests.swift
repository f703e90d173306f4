import ExecutorRPC
import Foundation
import Glibc
import GRPCTransport
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite struct ProgramTests {
    private let snapshot = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")
    private let creation = Operation.initWorkspace(liveID: Ids.live, owner: nil)

    @Test func aSignalLetsARunningTaskFinish() async throws {
        let scratch = try ScratchMount()
        let executor = try await ExecutorProcess(scratch)
        _ = try await executor.execute(creation, fence: 1)
        let call = Task { try await executor.execute(snapshot, fence: 2) }
        try await eventually("the task waits for a sidecar") {
            let answer = try await executor.client.getTask(GetTaskRequest(taskID: Ids.task), deadline: .seconds(5))
            if case .running(_, _, let progress) = answer { return progress.phase == .quiescing }
            return false
        }
        executor.process.signal(SIGTERM)
        _ = try await executor.process.line { $0.contains("shutting down") }
        let sidecar = try await Sidecar(scratch)
        #expect(try await call.value.snapshot?.snapshotID == Ids.snapshot)
        #expect(try await executor.process.ended() == 0)
        try await sidecar.stop()
    }

    @Test func aCallerThatGivesUpLeavesNothingBehindAndTheAgentRunning() async throws {
        let scratch = try ScratchMount()
        let executor = try await ExecutorProcess(scratch)
        _ = try await executor.execute(creation, fence: 1)
        await #expect(throws: GRPCError.self) {
            try await executor.execute(snapshot, fence: 2, deadline: .milliseconds(200))
        }
        // What the caller did not hear is there to be fetched.
        var failure: TaskFailure?
        try await eventually("the attempt has ended") {
            let known = try await executor.client.getTask(GetTaskRequest(taskID: Ids.task), deadline: .seconds(5))
            if case .ended("ws-1", 2, .failure(let known)) = known { failure = known }
            return failure != nil
        }
        #expect(failure?.code == .canceled || failure?.code == .executorTimeout)
        let sidecar = try await Sidecar(scratch)
        #expect(try scratch.directory("ws-1/snapshots").names().isEmpty)
        #expect(try await executor.execute(snapshot, fence: 3).snapshot != nil)
        #expect(!sidecar.agent.isFrozen)
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }

    @Test func everyLogLineOfATaskCarriesRequestTaskAndWorkspace() async throws {
        let scratch = try ScratchMount()
        let executor = try await ExecutorProcess(scratch)
        _ = try await executor.execute(creation, fence: 1)
        let line = try await executor.process.line { $0.contains("task executed") }
        for part in ["\"request_id\":\"request-1\"", "\"task_id\":\"\(Ids.task)\"", "\"wsid\":\"ws-1\""] {
            #expect(line.contains(part))
        }
        #expect(executor.process.end() == 0)
    }

    @Test func aSignalThatComesAsSoonAsItListensEndsItInOrder() async throws {
        let scratch = try ScratchMount()
        for _ in 0..<10 { #expect(try await ExecutorProcess(scratch).process.end() == 0) }
    }

    @Test func itMayOpenAsManyFilesAsTheMachineAllowsAndHasRoomForThem() async throws {
        let scratch = try ScratchMount()
        let process = try ProgramProcess(
            "wvs-executor", at: "/bin/sh",
            arguments: ["-c", "ulimit -S -n 200 && exec \"$0\"", "\(ProgramProcess.folder)/wvs-executor"],
            environment: [
                "EXECUTOR_MOUNT_PATH": scratch.path, "EXECUTOR_VOLUME": "any", "EXECUTOR_GRPC_ADDR": "127.0.0.1:0",
                "EXECUTOR_METRICS_ADDR": "127.0.0.1:0",
            ])
        _ = try await process.address("grpc")
        // "Max open files            1048576              1048576              files"
        let limits = try numbers("limits", after: "Max open files", of: process.pid)
        #expect(limits[0] == limits[1])
        #expect(try numbers("status", after: "FDSize:", of: process.pid)[0] >= min(limits[1], DescriptorTable.size))
        #expect(process.end() == 0)
    }

    private func numbers(_ file: String, after label: String, of pid: Int32) throws -> [Int] {
        let text = try String(contentsOfFile: "/proc/\(pid)/\(file)", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(label) })
        return line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    }

    @Test(arguments: [
        (["EXECUTOR_QUIESCE_TIMEOUT": "300s"], "EXECUTOR_QUIESCE_TIMEOUT"),
        (["EXECUTOR_ENGINE": "magic"], "EXECUTOR_ENGINE"),
        (["EXECUTOR_FREEZE_LEASE": "2m"], "EXECUTOR_FREEZE_LEASE"),
        (["EXECUTOR_ID": String(repeating: "x", count: 65)], "EXECUTOR_ID"),
        (["EXECUTOR_GRPC_ADDR": "nowhere"], "EXECUTOR_GRPC_ADDR"),
    ])
    func aWrongSettingEndsTheProgramWithItsName(settings: [String: String], name: String) async throws {
        let process = try ProgramProcess("wvs-executor", environment: settings)
        #expect(try await process.ended() == 2)
        #expect(process.tail.contains(name))
    }
}
