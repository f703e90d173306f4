import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Nothing in a tree leads a walk out of it: while it runs, directories turn into links to a folder outside and mounts appear.
@Suite("Trees under attack")
struct AdversaryTests {
    struct Setting: Sendable, CustomTestStringConvertible {
        let kind: ScratchFileSystem.Kind
        let name: String
        let rounds: Int
        /// Whether sources are ordinary directories, whatever the engine makes.
        let plain: Bool
        /// For the root of a file system.
        let makeEngine: @Sendable (String) throws -> any CloneEngine

        init(
            _ kind: ScratchFileSystem.Kind, _ name: String, rounds: Int, plain: Bool = false,
            _ makeEngine: @escaping @Sendable (String) throws -> any CloneEngine
        ) {
            self.kind = kind
            self.name = name
            self.rounds = rounds
            self.plain = plain
            self.makeEngine = makeEngine
        }

        var testDescription: String { "\(name) on \(kind)\(plain ? ", plain directories" : "")" }
        /// A subvolume is cloned as of one instant: nothing can go wrong.
        var isAtomic: Bool { name == "btrfs" && !plain }

        func run(on fileSystem: ScratchFileSystem) throws -> CloneRun {
            try CloneRun(fileSystem.path, engine: makeEngine(fileSystem.path), plain: plain)
        }

        /// Those whose clones are this program's own work.
        static let clones: [Setting] = [
            Setting(ScratchFileSystem.canMount ? .tmpfs : .folder, "copy", rounds: 1000) { _ in
                TreeWalkEngine.copy(threads: 2)
            },
            Setting(.xfs, "reflink", rounds: 300) { _ in TreeWalkEngine.reflink(threads: 2) },
            Setting(.btrfs, "btrfs", rounds: 60) { _ in BtrfsEngine(threads: 2) },
            Setting(.btrfs, "btrfs", rounds: 60, plain: true) { _ in BtrfsEngine(threads: 2) },
        ].filter { ScratchFileSystem.canMount || !$0.kind.needsRoot }

        /// What clones in JuiceFS is its mount; the stand-in's cp(1) would be the one to be led astray. Of removals the last word
        /// is this program's.
        static let removals = clones + [Setting(.folder, "juicefs", rounds: 30) { try JuiceFSStandIn($0).engine }]
    }

    /// What an attack may lead to, besides success.
    private static func isRefusal(_ error: any Error) -> Bool {
        error is SystemError || error is TreeChanged || error is NestedMount
    }

    /// Repeats a round, and goes on where the attack has not hit yet: on a busy machine the two may run one after the other.
    private static func repeating(_ rounds: Int, until isHit: () -> Bool, _ round: () throws -> Void) rethrows {
        let deadline = MonotonicTime.now + .seconds(60)
        var count = 0
        while count < rounds || (!isHit() && .now < deadline) {
            try round()
            count += 1
        }
    }

    @Test("a clone never contains what lies outside, nor touches it, in thousands of swaps", arguments: Setting.clones)
    func clone(_ setting: Setting) async throws {
        try await ScratchFileSystem.with(setting.kind) { fileSystem in
            let run = try setting.run(on: fileSystem)
            let adversary = try Adversary(run)
            try adversary.prepare(run.source)
            let canary = try adversary.canary()
            let swapping = adversary.swap(in: run.source)
            let (complete, refused) = try await blocking {
                var (complete, refused) = (0, 0)
                try Self.repeating(
                    setting.rounds, until: { (refused > 0 || setting.isAtomic) && adversary.count > 1000 }
                ) {
                    do {
                        _ = try run.clone()
                        complete += 1
                    } catch  where Self.isRefusal(error) {
                        refused += 1
                    }
                    #expect(try adversary.secrets(below: run.target) == 0)
                    try run.remove("clone")
                }
                return (complete, refused)
            }
            try await adversary.stop(swapping)
            // Otherwise nothing was put to the test.
            #expect((refused > 0) != setting.isAtomic, "\(complete) complete, \(refused) refused")
            #expect(adversary.count > 1000)
            #expect(try adversary.canary() == canary)
        }
    }

    @Test(
        "nor does a clone in two phases, in neither of them",
        .enabled(if: ScratchFileSystem.canMount, "mounting takes root"),
        arguments: [(ScratchFileSystem.Kind.xfs, TreeWalkEngine.reflink(threads: 2)), (.ext4, .copy(threads: 2))])
    func twoPhases(_ kind: ScratchFileSystem.Kind, _ engine: TreeWalkEngine) async throws {
        try await ScratchFileSystem.with(kind) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: engine)
            let adversary = try Adversary(run)
            try adversary.prepare(run.source)
            let canary = try adversary.canary()
            let swapping = adversary.swap(in: run.source)
            // How many rounds the second phase was refused, how often the first had left something to it, and what was let in.
            let (refused, renewed, secrets) = try await blocking {
                var (refused, renewed, secrets) = (0, 0, 0)
                try Self.repeating(300, until: { refused > 0 && renewed > 0 && adversary.count > 1000 }) {
                    do {
                        renewed += try run.finish(run.begin().value).renewed > 0 ? 1 : 0
                    } catch  where Self.isRefusal(error) {
                        refused += 1
                    }
                    for name in try run.directory.names() where !["source", "outside"].contains(name) {
                        secrets += try adversary.secrets(below: "\(run.path)/\(name)")
                        try run.remove(name)
                    }
                }
                return (refused, renewed, secrets)
            }
            try await adversary.stop(swapping)
            #expect(secrets == 0)
            // Otherwise nothing was put to the test.
            #expect(refused > 0 && renewed > 0 && adversary.count > 1000, "\(refused), \(renewed)")
            #expect(try adversary.canary() == canary)
        }
    }

    @Test("a removal never reaches what lies outside", arguments: Setting.removals)
    func removal(_ setting: Setting) async throws {
        try await ScratchFileSystem.with(setting.kind) { fileSystem in
            let run = try setting.run(on: fileSystem)
            let adversary = try Adversary(run)
            let canary = try adversary.canary()
            let swapping = adversary.swap(in: run.source)
            try await blocking {
                try Self.repeating(setting.rounds / 2, until: { adversary.count > 100 }) {
                    try adversary.prepare(run.source)
                    do {
                        try run.remove("source")
                    } catch let error as SystemError where error.errno == ENOTEMPTY {
                        // Swapped back and forth for too long.
                        while run.exists(run.source) {
                            do { try run.remove("source") } catch let error as SystemError
                                where error.errno == ENOTEMPTY
                            {}
                        }
                    }
                }
            }
            try await adversary.stop(swapping)
            #expect(adversary.count > 100)
            #expect(try adversary.canary() == canary)
        }
    }

    @Test(
        "neither follows what is mounted inside meanwhile",
        .enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
    func mounts() async throws {
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy(threads: 2))
            let adversary = try Adversary(run)
            let canary = try adversary.canary()
            try adversary.prepare(run.source)
            let mounting = adversary.mount(in: run.source)
            let refused = try await blocking {
                var refused = 0
                try Self.repeating(300, until: { refused > 0 && adversary.count > 100 }) {
                    do { _ = try run.clone() } catch  where Self.isRefusal(error) { refused += 1 }
                    #expect(try adversary.secrets(below: run.target) == 0)
                    try run.remove("clone")
                }
                for _ in 0..<100 {
                    do { try run.remove("source") } catch  where Self.isRefusal(error) { refused += 1 }
                    if !run.exists(run.source) { try adversary.prepare(run.source) }
                }
                return refused
            }
            try await adversary.stop(mounting)
            #expect(refused > 0 && adversary.count > 100)
            #expect(try adversary.canary() == canary)
        }
    }

    @Test("names are made links again inside the clone alone")
    func relinking() async throws {
        try await ScratchFileSystem.with(ScratchFileSystem.canMount ? .tmpfs : .folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            let adversary = try Adversary(run)
            try adversary.prepare(run.source)
            try run.makeFile("\(run.source)/secret0", [3])
            for index in 0..<10 {
                // As they are called outside, should somebody be led there.
                try systemCall("link") { link("\(run.source)/secret0", "\(run.source)/d\(index)/secret0") }
                try systemCall("link") { link("\(run.source)/secret0", "\(run.source)/d\(index)/folder/secret0") }
            }
            let names = LinkedNames()
            _ = try TreeCount.count(
                in: run.directory.raw, "source", linkedNames: names, cancellation: run.cancellation)
            let canary = try adversary.canary()
            let swapping = adversary.swap(in: run.source)
            let refused = try await blocking {
                let root = try Directory(path: run.source)
                var refused = 0
                try Self.repeating(1000, until: { refused > 0 }) {
                    do {
                        try names.relink(in: root.raw, cancellation: run.cancellation)
                    } catch  where Self.isRefusal(error) {
                        refused += 1
                    }
                }
                return refused
            }
            try await adversary.stop(swapping)
            #expect(refused > 0)
            #expect(try adversary.canary() == canary)
        }
    }
}
