private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("A name does not lead to where it led", .enabled(if: ScratchFileSystem.canMount))
struct BetweenPhasesTests {
    /// Nothing is moved but `one` and `other`: all below them is as it was when it was cloned, but for where it is.
    @Test("where an ancestor was another one for a while, and its directories were opened anew")
    func exchangedAncestor() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink(threads: 1))
            // Deep enough that `parent` is closed meanwhile, and wide enough for the time that the exchange takes.
            let chain = "chain" + String(repeating: "/c", count: 100)
            for side in ["one", "other"] {
                let parent = "\(run.source)/\(side)/parent"
                try run.makeDirectory("\(run.source)/\(side)")
                try run.makeDirectory(parent)
                for name in ["a", "b", "c", "chain", "d", "e", "f"] {
                    try run.makeDirectory("\(parent)/\(name)")
                    try run.makeFile("\(parent)/\(name)/file", Array(side.utf8))
                }
            }
            var deepest = "\(run.source)/one/parent/chain"
            for _ in 0..<100 {
                deepest += "/c"
                try run.makeDirectory(deepest)
            }
            try run.makeFiles(20_000, in: deepest, size: 0)
            try await SecondPhaseTests.rest()
            let begun = blockingTask { try run.begin() }
            try await eventually("the bottom of the chain is cloned") {
                run.exists("\(run.target)/one/parent/\(chain)/file0") || run.progress.entries > 20_000
            }
            try run.exchange("one", "other")
            let clone = try await begun.value
            try run.exchange("one", "other")
            _ = try await blocking { try run.finish(clone.value) }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
        }
    }

    @Test(
        "where something is mounted there between the phases, though it was kept open",
        arguments: ["source/folder", "source/folder/inner", "source"])
    func mounted(over name: String) async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            try run.makeDirectory("\(run.source)/folder")
            try run.makeDirectory("\(run.source)/folder/inner")
            try run.makeFile("\(run.source)/folder/inner/file", [1])
            try await SecondPhaseTests.rest()
            let clone = try await blocking { try run.begin() }
            try await Command.run(["mount", "-t", "tmpfs", "none", "\(run.path)/\(name)"])
            await #expect(throws: NestedMount.self) { try await blocking { try run.finish(clone.value) } }
        }
    }
}

extension CloneRun {
    func exchange(_ one: String, _ other: String) throws {
        // 2: RENAME_EXCHANGE (renameat2(2)).
        try systemCall("renameat2", source) {
            wvs_renameat2(AT_FDCWD, "\(source)/\(one)", AT_FDCWD, "\(source)/\(other)", 2)
        }
    }
}
