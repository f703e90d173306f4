private import CShims
import ExecutorRPC
import Foundation
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Whatever was SUCCEEDED is on the disk: the disk is copied at some moment and what it held then is mounted.
///
/// The file system lies on a loop device over a file of another one, and that file is cloned (FICLONE): at one instant, with all
/// that the inner file system had handed to its device, and nothing that it still kept in memory.
@Suite(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
struct PowerLossTests {
    enum Kind: String, Sendable { case xfs, ext4, btrfs }

    struct Variant: CustomTestStringConvertible, Sendable {
        let kind: Kind
        let engine: any CloneEngine
        var phases = 1

        var testDescription: String { "\(engine.name) on \(kind), \(phases == 1 ? "at once" : "in two phases")" }

        static let all =
            [Variant(kind: .btrfs, engine: BtrfsEngine())]
            + [1, 2].flatMap { phases in
                [
                    Variant(kind: .xfs, engine: TreeWalkEngine.reflink(), phases: phases),
                    Variant(kind: .ext4, engine: TreeWalkEngine.copy(), phases: phases),
                    Variant(kind: .btrfs, engine: TreeWalkEngine.reflink(), phases: phases),
                ]
            }
    }

    /// The file system under test, inside one that can clone its image.
    private struct Disk {
        let outer: String
        let kind: Kind
        var path: String { "\(outer)/disk" }

        func make() async throws {
            let image = "\(outer)/image"
            let format =
                switch kind {
                case .xfs: "mkfs.xfs -q -m reflink=1"
                case .ext4: "mkfs.ext4 -q"
                case .btrfs: "mkfs.btrfs -q"
                }
            try await Command.run([
                "sh", "-c", "truncate -s 400M \(image) && \(format) \(image) && mkdir \(path) \(outer)/copy",
            ])
            try await Command.run(["mount", "-o", "loop", image, path])
        }

        func end() async throws { try await unmount(path) }

        /// Takes the power away from a copy: returns at the instant of the copy.
        ///
        /// - Parameter name: another copy under it is replaced.
        func copy(_ name: String = "only") throws {
            let source = open("\(outer)/image", O_RDONLY | O_CLOEXEC)
            let target = open("\(outer)/image-\(name)", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            defer { for file in [source, target] { close(file) } }
            try systemCall("FICLONE", "image") { wvs_ficlone(target, source) }
        }

        /// Lends what the copy held, after its recovery.
        func inspecting(_ name: String = "only", _ body: (String) async throws -> Void) async throws {
            let options = kind == .xfs ? "loop,nouuid" : "loop"
            try await Command.run(["mount", "-o", options, "\(outer)/image-\(name)", "\(outer)/copy"])
            let result: Result<Void, any Error>
            do { result = .success(try await body("\(outer)/copy")) } catch { result = .failure(error) }
            try await unmount("\(outer)/copy")
            try result.get()
        }
    }

    private func withDisk(_ kind: Kind, _ body: (Disk) async throws -> Void) async throws {
        try await ScratchFileSystem.with(.xfs, megabytes: 2048) { outer in
            let disk = Disk(outer: outer.path, kind: kind)
            try await disk.make()
            try await body(disk)
            try await disk.end()
        }
    }

    private static func id(_ number: Int) -> String {
        "01890000-0000-7000-8000-\(String(0x1000_0000_0000 + number, radix: 16))"
    }

    /// Many small files and some larger, all new.
    private func write(round: Int, to live: String) throws {
        for file in 0..<40 {
            let size = file < 35 ? 300 * (file + 1) : 200_000 * (file - 34)
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* (round + 1) &+ file) }
            let folder = "\(live)/\(file % 4)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/file-\(file)"))
        }
    }

    /// Whatever has a final name in the copy is whole, and what was answered before the copy is there.
    private func expectWhole(_ copy: String, like disk: Disk, answered: [String]) async throws {
        let mount = try Directory(path: copy)
        let folder = try #require(try WorkspaceFolder(mount: mount, wsid: "ws-1"))
        let present = try folder.snapshots.names().filter { !$0.hasPrefix(".") && !$0.hasSuffix(".json") }
        #expect(Set(answered).isSubset(of: present), "answered \(answered), there are \(present)")
        for id in present {
            let manifest = try #require(try folder.manifest(of: id))
            let tree = "\(copy)/ws-1/snapshots/\(id)"
            let entries = try FileManager.default.subpathsOfDirectory(atPath: tree).count
            #expect(entries == Int(manifest.entries))
            let differences = try await blocking {
                try TreeComparison.differences("\(disk.path)/ws-1/snapshots/\(id)", tree)
            }
            #expect(differences == [])
        }
        let currentID = try folder.currentLiveID()
        #expect(try folder.live.isDirectory(currentID))
    }

    @Test(arguments: Variant.all)
    func whatSucceededIsThereAndWholeWheneverThePowerGoes(variant: Variant) async throws {
        try await withDisk(variant.kind) { disk in
            let rig = try await Rig(
                on: ScratchMount(at: disk.path), settings: ["EXECUTOR_CLONE_PHASES": "\(variant.phases)"],
                engine: variant.engine)
            try await rig.makeWorkspace()
            let sidecar = try await Sidecar(rig.scratch)
            let live = "\(disk.path)/ws-1/current"
            var answered: [String] = []
            for round in 0..<4 {
                try write(round: round, to: live)
                let id = Self.id(round)
                let outcome = try await rig.execute(
                    .snapshotCreate(snapshotID: id, message: ""), fence: UInt64(2 * round + 2))
                #expect(outcome.snapshot != nil, "\(outcome)")
                answered.append(id)
                // At once; or several times while the next attempt is on its way.
                var copies = ["only"]
                if round % 2 == 0 {
                    try disk.copy()
                } else {
                    try write(round: round + 10, to: live)
                    let next = Operation.setCurrent(
                        snapshotID: id, liveID: Self.id(100 + round), discard: true)
                    let call = Task { try await rig.execute(next, fence: UInt64(2 * round + 3)) }
                    copies = ["first", "second", "third"]
                    for name in copies {
                        let delay = UInt32.random(in: 0..<20_000)
                        _ = try await blocking { usleep(delay) }
                        try disk.copy(name)
                    }
                    #expect(try await call.value.current != nil)
                }
                for name in copies {
                    try await disk.inspecting(name) { copy in
                        try await expectWhole(copy, like: disk, answered: answered)
                    }
                }
            }
            // A rollback that was answered is there as well.
            try disk.copy()
            try await disk.inspecting { copy in
                #expect(try Directory(path: "\(copy)/ws-1").readLink("current") == "live/\(Self.id(103))")
                let (left, right) = ("\(disk.path)/ws-1/snapshots/\(Self.id(3))", "\(copy)/ws-1/live/\(Self.id(103))")
                let differences = try await blocking { try TreeComparison.differences(left, right) }
                #expect(differences == [])
            }
            try await sidecar.stop()
            rig.trash.drain()
        }
    }
}
