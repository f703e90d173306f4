import ExecutorRPC
import Foundation
import Glibc
import Runtime
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// An executor without its servers, on a mount of its own. Two on one mount stand for two programs.
final class Rig: Sendable {
    let scratch: ScratchMount
    let mount: Mount
    let engine: GatedEngine
    let executor: WorkspaceExecutor
    let trash: TrashCollector
    let recovery: Recovery
    let registry = MetricsRegistry()

    init(
        on scratch: ScratchMount? = nil, settings: [String: String] = [:],
        engine: any CloneEngine = TreeWalkEngine.copy(), patience: Duration = .seconds(10),
        onClone: @escaping @Sendable () -> Void = {}
    ) async throws {
        let scratch = try scratch ?? ScratchMount()
        let logger = Logger(level: .error)
        var reader = SettingsReader(
            program: "test", summary: "",
            environment: [
                "EXECUTOR_MOUNT_PATH": scratch.path, "EXECUTOR_VOLUME": "any", "EXECUTOR_QUIESCE_TIMEOUT": "30s",
                "EXECUTOR_ID": UUIDv7.make(),
            ].merging(settings) { $1 }, arguments: [])
        let settings = ExecutorSettings(&reader)
        try reader.finish()
        let engine = GatedEngine(engine, onClone: onClone)
        let mount = Mount(path: scratch.path, setting: settings.volume)
        let engines = EngineProvider(logger: logger) { _ in engine }
        let metrics = ExecutorMetrics(registry, executorID: settings.executorID)
        self.mount = mount
        trash = try TrashCollector(mount: mount, metrics: metrics, logger: logger) {
            folder, name, progress, cancellation in
            try engine.remove(in: folder.raw, name, progress: progress, cancellation: cancellation)
        }
        recovery = Recovery(
            mount: mount, executorID: settings.executorID, engines: engines, trash: trash, patience: patience,
            logger: logger)
        let context = OperationContext(
            mount: mount, settings: settings, engines: engines, trash: trash, metrics: metrics)
        executor = WorkspaceExecutor(context: context, recovery: recovery, logger: logger)
        self.scratch = scratch
        self.engine = engine
        try await recovery.start()
    }

    /// Background removal ends before its folder goes.
    deinit {
        trash.stop()
        trash.drain()
    }

    func execute(_ operation: Operation, fence: UInt64, taskID: String = Ids.task, wsid: String = "ws-1") async throws
        -> ExecuteTaskOutcome
    {
        try await executor.executeTask(
            ExecuteTaskRequest(
                taskID: taskID, wsid: wsid, fence: fence, requestID: "request-1", operation: operation),
            context: CallContext())
    }

    func settle(_ operation: Operation, fence: UInt64, wsid: String = "ws-1") async throws -> SettleOutcome {
        try await executor.settle(
            SettleRequest(taskID: Ids.task, wsid: wsid, fence: fence, requestID: "request-1", operation: operation),
            context: CallContext())
    }

    /// A workspace made by the operation itself, with its fence at 1.
    func makeWorkspace() async throws {
        let outcome = try await execute(.initWorkspace(liveID: Ids.live, owner: nil), fence: 1)
        #expect(outcome == .result(.initWorkspace(currentPath: "live/\(Ids.live)")))
    }

    /// A workspace with an agent, a file in its live tree, and a snapshot of it. The fence is at 2.
    func makeSnapshot() async throws -> Sidecar {
        try await makeWorkspace()
        try scratch.write("one", to: "ws-1/current/file")
        let sidecar = try await Sidecar(scratch)
        let outcome = try await execute(.snapshotCreate(snapshotID: Ids.snapshot, message: "first"), fence: 2)
        guard case .result = outcome else { throw Unexpected(outcome: "\(outcome)") }
        return sidecar
    }

    /// Names in a folder of the workspace once background removal is done.
    func names(_ folder: String) throws -> [String] {
        trash.drain()
        return try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/ws-1/\(folder)").sorted()
    }

    func text(_ name: String) throws -> String {
        try String(contentsOfFile: "\(scratch.path)/ws-1/\(name)", encoding: .utf8)
    }
}

struct Unexpected: Error { let outcome: String }

extension ExecuteTaskOutcome {
    /// The failure, or nil.
    var failure: TaskFailure? { if case .failure(let failure) = self { failure } else { nil } }

    var snapshot: SnapshotCreateResult? {
        if case .result(.snapshotCreate(let result)) = self { result } else { nil }
    }

    var current: SetCurrentResult? {
        if case .result(.setCurrent(let result)) = self { result } else { nil }
    }
}

/// Foundation has one too.
typealias Operation = ExecutorRPC.Operation
