import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// What every engine has to do, whichever way it does it.
@Suite("Every engine")
struct CloneConformanceTests {
    @Test(
        "clones any tree into one that equals it in every respect", arguments: Conformance.all,
        [1, 2, 3, UInt64.random(in: 4 ... .max)])
    func randomTrees(_ conformance: Conformance, seed: UInt64) async throws {
        try await ScratchFileSystem.with(conformance.kind) { fileSystem in
            try await blocking {
                let run = try conformance.run(on: fileSystem)
                var generator = TreeGenerator(seed: seed)
                try generator.fill(run.source, count: 200)
                let summary = try run.clone(as: .snapshot, "clone")
                #expect(try TreeComparison.differences(run.source, run.target) == [])
                let count = try TreeCount.count(in: run.directory.raw, "source", cancellation: run.cancellation)
                #expect(summary == count)
                // A walk makes ordinary entries, a snapshot keeps what they are.
                let isAtomic = try run.engine.engine(toClone: "source", in: run.directory.raw).promises.isAtomic
                let flags = try generator.flags(keptBelow: run.target)
                #expect(flags.kept == (isAtomic ? flags.all : 0))
                #expect(flags.all > 0 || !conformance.kind.needsRoot || conformance.kind == .tmpfs)
                if run.progress.entries > 0 { #expect(summary.entries == run.progress.entries) }
                for name in ["clone", "source"] { try run.remove(name) }
                #expect(!run.exists(run.source) && !run.exists(run.target))
            }
        }
    }

    @Test("gives a snapshot back as a tree that can be worked in, and the snapshot stays", arguments: Conformance.all)
    func thereAndBack(_ conformance: Conformance) async throws {
        try await ScratchFileSystem.with(conformance.kind) { fileSystem in
            try await blocking {
                let run = try conformance.run(on: fileSystem)
                var generator = TreeGenerator(seed: 11)
                try generator.fill(run.source, count: 20)
                try run.makeFile("\(run.source)/file", [1, 2, 3])
                let rollback = "\(run.path)/rollback"
                try run.clone(as: .snapshot, "clone")
                try run.clone("clone", as: .live, "rollback")
                #expect(try TreeComparison.differences(run.source, rollback) == [])
                // None of the three shares what is written later.
                try run.makeFile("\(rollback)/file", [9])
                try run.makeFile("\(rollback)/new", [])
                try run.makeFile("\(run.source)/file", [8])
                #expect(try run.content("\(run.target)/file") == [1, 2, 3])
                #expect(try run.content("\(rollback)/file") == [9, 2, 3])
                #expect(!run.exists("\(run.target)/new"))
                for name in ["source", "clone", "rollback"] { try run.remove(name) }
                for path in [run.source, run.target, rollback] { #expect(!run.exists(path)) }
            }
        }
    }

    @Test("refuses what it can not do, and leaves nothing behind", arguments: Conformance.all)
    func refusals(_ conformance: Conformance) async throws {
        try await ScratchFileSystem.with(conformance.kind) { fileSystem in
            try await blocking {
                try existingTarget(conformance.run(on: fileSystem, "existing"))
                try nothing(conformance.run(on: fileSystem, "nothing"))
                try link(conformance.run(on: fileSystem, "link"))
                try cancelled(conformance.run(on: fileSystem, "cancelled"))
                try probe(conformance.run(on: fileSystem, "probe"))
            }
        }
    }

    private func existingTarget(_ run: CloneRun) throws {
        try run.makeDirectory(run.target)
        try run.makeFiles(1, in: run.target)
        let failure = #expect(throws: SystemError.self) { try run.clone() }
        #expect(failure?.errno == EEXIST)
        #expect(run.exists("\(run.target)/file0"))
    }

    private func nothing(_ run: CloneRun) throws {
        let failure = #expect(throws: SystemError.self) { try run.clone("absent") }
        #expect(failure?.errno == ENOENT)
        try run.remove("absent")
        #expect(!run.exists(run.target))
    }

    /// In place of a tree.
    private func link(_ run: CloneRun) throws {
        try systemCall("symlink") { symlink("source", "\(run.path)/link") }
        let failure = #expect(throws: SystemError.self) { try run.clone("link") }
        #expect(failure?.errno == ELOOP || failure?.errno == ENOTDIR)
        #expect(!run.exists(run.target))
    }

    private func cancelled(_ run: CloneRun) throws {
        try run.makeFiles(3, in: run.source)
        run.cancellation.cancel()
        #expect(throws: CancellationError.self) { try run.clone() }
        #expect(!run.exists(run.target))
    }

    private func probe(_ run: CloneRun) throws {
        let before = try run.directory.names()
        try run.engine.probe(mount: run.directory.raw)
        #expect(try run.directory.names() == before)
    }
}
