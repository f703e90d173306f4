import ExecutorRPC
import Foundation
import Model
import Postgres
import RuntimeCore
import TestSupport
import Testing

@testable import Worker

/// A worker killed at one named point, in a scenario that comes by there.
struct WorkerCrash: CustomTestStringConvertible, Sendable {
    enum Scenario: String, Sendable {
        case snapshot, setCurrent, drop, initialisation
        /// The first call ends without an answer: a new fence, Settle, and the next attempt.
        case unknown
        /// The same, but the attempt had published.
        case published
        /// Another worker was lost while it held the task.
        case takenOver
        /// A drop whose directory could not be removed by the task.
        case purge
    }

    let point: String
    let scenario: Scenario

    var testDescription: String { "\(point) in \(scenario.rawValue)" }

    static let all: [WorkerCrash] =
        [
            "worker.claim.before_commit", "worker.after_claim", "worker.before_execute", "worker.after_execute",
            "worker.before_finish", "worker.finish.before_commit", "worker.after_finish",
        ].map { WorkerCrash(point: $0, scenario: .snapshot) }
        + ["worker.after_execute", "worker.finish.before_commit"].flatMap { point in
            [Scenario.setCurrent, .drop, .initialisation].map { WorkerCrash(point: point, scenario: $0) }
        }
        + ["worker.drop.before_commit", "worker.drop.after_mark"].map { WorkerCrash(point: $0, scenario: .drop) }
        + [
            "worker.fence.before_commit", "worker.fence.after_commit", "worker.settle.before", "worker.settle.after",
        ].flatMap { point in
            [Scenario.unknown, .published].map { WorkerCrash(point: point, scenario: $0) }
        }
        + ["worker.take_over.before_commit", "worker.take_over.after_commit"].map {
            WorkerCrash(point: $0, scenario: .takenOver)
        }
        + [WorkerCrash(point: "worker.purge.after_delete", scenario: .purge)]
}

/// kill -9 of wvs-worker at every point between a claim and a commit; the next worker brings everything to its end.
@Suite struct FailpointTests {
    @Test func `every point that the worker's source names has its scenario`() throws {
        // …/Tests/WorkerTests/FailpointTests.swift
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        var named: Set<String> = []
        for case let file as String in try #require(FileManager.default.enumerator(atPath: "\(root)/Sources"))
        where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(root)/Sources/\(file)", encoding: .utf8)
            for part in text.split(separator: #"Failpoint.hit(""#, omittingEmptySubsequences: false).dropFirst() {
                let name = String(part.prefix { $0 != "\"" })
                if name.hasPrefix("worker.") { named.insert(name) }
            }
        }
        #expect(named == Set(WorkerCrash.all.map(\.point)))
    }

    @Test(arguments: WorkerCrash.all)
    func `after a kill another worker brings the task to its one end`(_ crash: WorkerCrash) async throws {
        try await Rig.with { rig in
            let (id, snapshot) = try await rig.prepare(crash.scenario)
            let victim = try rig.startWorker(["WVS_FAILPOINT": "\(crash.point):kill"])
            _ = try await victim.line(within: .seconds(30)) { $0 == "failpoint \(crash.point)" }
            #expect(try await victim.ended() == 128 + 9)
            let next = try rig.startWorker()
            defer { next.end() }

            try await eventually("it ends", within: .seconds(30)) { try await rig.task(id).status == .succeeded }
            let states = try await rig.auditedStates(of: id)
            #expect(states.filter { $0 == "SUCCEEDED" }.count == 1)
            #expect(states.filter { $0 == "RUNNING" }.count == (try await rig.task(id).attempt))
            switch crash.scenario {
            case .initialisation: #expect(try await rig.workspace().state == .active)
            case .setCurrent: #expect(try await rig.workspace().currentSnapshotID == snapshot)
            case .snapshot, .unknown, .published, .takenOver:
                let published = try #require(try await rig.task(id).params["snapshot_id"]?.string)
                #expect(try await rig.snapshot(published) != nil)
            case .drop, .purge:
                try await eventually("the directory is gone", within: .seconds(30)) {
                    try await rig.snapshot(try #require(snapshot))?.purgedAt != nil
                }
            }
        }
    }
}

extension Rig {
    /// A task for the scenario, and the snapshot that it uses.
    fileprivate func prepare(_ scenario: WorkerCrash.Scenario) async throws -> (task: String, snapshot: String?) {
        try await addWorkspace(state: scenario == .initialisation ? .provisioning : .active)
        switch scenario {
        case .snapshot: return (try await enqueueSnapshot(), nil)
        case .initialisation:
            return (try await enqueue(.initWorkspace(liveID: "live-1", uid: nil, gid: nil)), nil)
        case .setCurrent:
            let snapshot = try await addSnapshot()
            return (try await enqueue(.setting(snapshot)), snapshot)
        case .drop, .purge:
            let snapshot = try await addSnapshot()
            let id = try await enqueue(.dropping(snapshot))
            if scenario == .purge { executor.script(id, .fail(.busy)) }
            return (id, snapshot)
        case .unknown, .published:
            let id = try await enqueueSnapshot()
            executor.script(id, scenario == .published ? .publishAndRefuse(.internal) : .refuse(.internal))
            return (id, nil)
        case .takenOver:
            let id = try await enqueueSnapshot()
            _ = try await ghost(lease: .milliseconds(100)).claim(limit: 1)
            return (id, nil)
        }
    }
}
