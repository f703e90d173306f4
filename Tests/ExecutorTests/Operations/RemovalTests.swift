import ExecutorRPC
import Foundation
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Dropped snapshots")
struct RemovalTests {
    private static func id(_ number: Int) -> String { "01890000-0000-7000-8000-2000000000\(10 + number)" }

    private func snapshot(_ number: Int) -> Operation {
        .snapshotCreate(snapshotID: Self.id(number), message: "")
    }

    @Test("no workspace waits for a removal that does not end, neither the snapshot's own nor another")
    func independence() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let made = try await rig.execute(.initWorkspace(liveID: Self.id(0), owner: nil), fence: 1, wsid: "ws-2")
        #expect(made.failure == nil)
        let other = try await Sidecar(rig.scratch, wsid: "ws-2")
        rig.engine.closeRemovals()
        #expect(try await rig.execute(.snapshotDrop(snapshotID: Ids.snapshot), fence: 3).failure == nil)
        try await eventually("the removal is under way") { rig.engine.removals == 1 }
        for number in 1...5 {
            let fence = UInt64(10 * number)
            #expect(try await rig.execute(snapshot(number), fence: fence).snapshot != nil)
            #expect(try await rig.execute(snapshot(number), fence: fence, wsid: "ws-2").snapshot != nil)
            // One more to be removed each time; they wait in line.
            let drop = try await rig.execute(.snapshotDrop(snapshotID: Self.id(number)), fence: fence + 1)
            #expect(drop.failure == nil)
        }
        #expect(rig.engine.removals == 1)
        for id in [Ids.snapshot] + (1...5).map(Self.id) { #expect(rig.scratch.exists("ws-1/snapshots/.trash-\(id)")) }
        #expect(!rig.registry.render().contains("wvs_trash_folders 0\n"))
        rig.engine.openRemovals()
        #expect(try rig.names("snapshots") == [])
        #expect(rig.registry.render().contains("wvs_trash_folders 0\n"))
        try await sidecar.stop()
        try await other.stop()
    }

    @Test("how far a removal is shows while it goes on")
    func progress() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let live = "\(rig.scratch.path)/ws-1/live/\(Ids.live)"
        try await blocking {
            for folder in 0..<100 {
                try FileManager.default.createDirectory(
                    atPath: "\(live)/\(folder)", withIntermediateDirectories: false)
                for file in 0..<200 {
                    try Data().write(to: URL(fileURLWithPath: "\(live)/\(folder)/\(file)"))
                }
            }
        }
        let sidecar = try await Sidecar(rig.scratch)
        let create = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")
        #expect(try await rig.execute(create, fence: 2).snapshot?.entries == 20_100)
        #expect(try await rig.execute(.snapshotDrop(snapshotID: Ids.snapshot), fence: 3).failure == nil)
        let seen = Mutex<[Int]>([])
        try await eventually("all is removed") {
            let line = rig.registry.render().split(separator: "\n").last {
                $0.hasPrefix("wvs_trash_removed_entries_total")
            }
            let count = line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
            seen.withLock { $0.append(Int(count)) }
            return count == 20_101
        }
        #expect(seen.withLock { $0 == $0.sorted() })
        #expect(try rig.names("snapshots") == [])
        try await sidecar.stop()
    }
}
