private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("What a second phase does", .enabled(if: ScratchFileSystem.canMount))
struct SecondPhaseTests {
    @Test("only what has changed is cloned again, and hard links stay", arguments: [TreeWalkEngine.reflink(), .copy()])
    func onlyChanges(engine: TreeWalkEngine) async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: engine)
            var generator = TreeGenerator(seed: 7)
            try generator.fill(run.source, count: 150)
            try run.makeDirectory("\(run.source)/folder")
            try run.makeFiles(4, in: "\(run.source)/folder")
            try await Self.rest()
            let clone = try await blocking { try run.begin() }
            #expect(clone.value.doubtful == 0)
            // The same size and times as before; an attribute; one that goes; one that comes.
            try run.rewriteUnseen("\(run.source)/folder/file0")
            try check("chmod") { chmod("\(run.source)/folder/file1", 0o600) }
            try check("unlink") { unlink("\(run.source)/folder/file2") }
            try check("link") { link("\(run.source)/folder/file3", "\(run.source)/folder/other") }
            let summary = try await blocking { try run.finish(clone.value) }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            // The link is two: the file under its old name, whose ctime it moved, and its new one.
            #expect(summary.renewed == 4 && summary.removed == 1)
            #expect(summary.clone.entries == run.progress.entries)
            let whole = try CloneRun("\(fileSystem.path)/other", engine: engine)
            let expected = try await blocking {
                try engine.clone(
                    from: run.directory.raw, "source", to: whole.directory.raw, "clone", cancellation: Cancellation())
            }
            #expect(summary.clone == expected)
        }
    }

    @Test("what is open for writing is cloned again in any case")
    func openFiles() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            try run.makeFiles(5, in: run.source)
            try await Self.rest()
            let clone = try await blocking { try run.begin() }
            var status = stat()
            try check("stat") { stat("\(run.source)/file3", &status) }
            let inode = UInt64(status.st_ino)
            #expect(try await blocking { try run.finish(clone.value, openFiles: [inode]) }.renewed == 1)
        }
    }

    @Test("what changed just before it was cloned is cloned again")
    func doubtful() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            try run.makeFiles(5, in: run.source)
            try await Self.rest()
            // A time without a fraction is that of a file system that keeps none, as good as a second ago.
            let rule = DoubtRule(device: 1, readsBytes: false)
            var status = stat()
            status.st_dev = 1
            status.st_ctim = timespec(tv_sec: 100, tv_nsec: 0)
            #expect(rule.stamp(status, start: 101_000_000_000).isDoubtful)
            #expect(!rule.stamp(status, start: 101_200_000_000).isDoubtful)
            status.st_ctim.tv_nsec = 1
            #expect(!rule.stamp(status, start: 101_000_000_000).isDoubtful)
            #expect(rule.stamp(status, start: 100_050_000_000).isDoubtful)
            try run.rewriteUnseen("\(run.source)/file1")
            let clone = try await blocking { try run.begin() }
            // On a busy machine a tenth of a second may have passed.
            #expect(clone.value.doubtful <= 1)
            let doubtful = clone.value.doubtful
            #expect(try await blocking { try run.finish(clone.value) }.renewed == doubtful)
        }
    }

    @Test("a tree moved to another place is moved out of the way, and is where it belongs in the clone")
    func movedDirectory() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            for name in ["a", "a/deep", "b"] { try run.makeDirectory("\(run.source)/\(name)") }
            try run.makeFiles(20, in: "\(run.source)/a/deep")
            try check("link") { link("\(run.source)/a/deep/file1", "\(run.source)/b/linked") }
            try await Self.rest()
            let clone = try await blocking { try run.begin() }
            try check("rename") { rename("\(run.source)/a/deep", "\(run.source)/b/deep") }
            try check("symlink") { symlink("b", "\(run.source)/a/deep") }
            let summary = try await blocking { try run.finish(clone.value) }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            // The directory, what is in it, the link in its old place.
            #expect(summary.renewed == 22 && summary.removed == 0)
            #expect(try run.directory.names().sorted() == ["clone", "source", "trash-1"])
        }
    }

    /// What was not cloned must not count as seen, though nothing in its directory changes any more.
    @Test("what could not be cloned at first is cloned in the second phase, in a directory that stays as it was")
    func leftOut() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            try run.makeDirectory("\(run.source)/folder")
            try run.makeFiles(5, in: "\(run.source)/folder")
            try await Self.rest()
            let setLease: CInt = 1024  // F_SETLEASE
            // A lease keeps whoever opens it without waiting away: EAGAIN.
            let path = "\(run.source)/folder/file2"
            let file = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_RDWR | O_CLOEXEC, 0) })
            signal(SIGIO, SIG_IGN)
            try systemCall("fcntl", path) { fcntl(file.raw, setLease, CInt(F_WRLCK)) }
            let clone = try await blocking { try run.begin() }
            #expect(clone.value.entries == 5)
            try systemCall("fcntl", path) { fcntl(file.raw, setLease, CInt(F_UNLCK)) }
            let summary = try await blocking { try run.finish(clone.value) }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            #expect(summary.renewed == 1 && summary.clone.entries == 6)
        }
    }

    /// Long enough that what happened in its middle counts as settled at its end.
    @Test("a name that goes while its wide directory is listed goes from the clone")
    func goneMeanwhile() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink(threads: 1))
            try run.makeDirectory("\(run.source)/wide")
            try run.makeFiles(10_000, in: "\(run.source)/wide", size: 0)
            try await Self.rest()
            let begun = blockingTask { try run.begin() }
            try await eventually("some of it is cloned") { run.progress.entries > 500 }
            for name in try Directory(path: "\(run.target)/wide").names().prefix(3) {
                try check("unlink") { unlink("\(run.source)/wide/\(name)") }
            }
            let clone = try await begun.value
            let summary = try await blocking { try run.finish(clone.value) }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            #expect(summary.removed == 3)
        }
    }

    @Test("directories stay open between the phases as far as descriptors allow, and not after them")
    func keptDescriptors() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            for index in 0..<50 {
                try run.makeDirectory("\(run.source)/\(index)")
                try run.makeFiles(2, in: "\(run.source)/\(index)")
            }
            try await Self.rest()
            var clone: Begun? = try await blocking { try run.begin() }
            // The root twice: whoever clones has it open, too.
            #expect(try run.openBelowSource() == 52)
            if let clone { _ = try await blocking { try run.finish(clone.value) } }
            clone = nil
            // The thread that has done it may hold it for a moment.
            try await eventually("they are closed") { try run.openBelowSource() == 0 }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            #expect(KeptDescriptor(of: run.directory.raw, limit: 0) == nil)
        }
    }

    @Test("names that were exchanged or replaced are found, whatever the time of modification says")
    func names() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            for folder in ["exchanged", "replaced", "swapped", "swapped/one", "swapped/other"] {
                try run.makeDirectory("\(run.source)/\(folder)")
                try run.makeFiles(3, in: "\(run.source)/\(folder)")
            }
            for folder in ["exchanged", "replaced", "swapped/one"] {
                try run.makeFile("\(run.source)/\(folder)/file0", [1, 2, 3])
            }
            try await Self.rest()
            let clone = try await blocking { try run.begin() }
            #expect(clone.value.doubtful == 0)
            try run.keepingTime(of: "exchanged") { folder in
                // 2: RENAME_EXCHANGE.
                try check("renameat2") { wvs_renameat2(AT_FDCWD, "\(folder)/file0", AT_FDCWD, "\(folder)/file1", 2) }
            }
            try run.keepingTime(of: "replaced") { folder in
                try check("rename") { rename("\(folder)/file0", "\(folder)/file1") }
                try run.makeFile("\(folder)/file0", [4])
            }
            try run.keepingTime(of: "swapped") { folder in
                try check("renameat2") { wvs_renameat2(AT_FDCWD, "\(folder)/one", AT_FDCWD, "\(folder)/other", 2) }
            }
            _ = try await blocking { try run.finish(clone.value) }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
        }
    }

    @Test("each phase stops within 100 ms of its cancellation", arguments: [1, 2])
    func cancellation(phase: Int) async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
            for index in 0..<100 {
                try run.makeDirectory("\(run.source)/\(index)")
                try run.makeFiles(30, in: "\(run.source)/\(index)")
            }
            let time = try await Interruption.run(after: 100, again: { try run.removeAll() }) {
                progress, cancellation in
                let first = try run.engine as? any TwoPhaseEngine ?? { throw SystemError("engine", errno: EINVAL) }()
                let quiet = CloneProgress()
                let clone = try first.beginClone(
                    from: run.directory.raw, "source", to: run.directory.raw, "clone",
                    progress: phase == 1 ? progress : quiet, cancellation: cancellation)
                if phase == 1 { return }
                _ = try clone.finish(
                    openFiles: [], trash: "trash", progress: progress, cancellation: cancellation)
            }
            #expect(time < .milliseconds(100))
        }
    }

    @Test("a full file system fails the first phase with its cause")
    func noSpace() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 16) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.copy())
            try run.makeFiles(80, in: run.source, size: 100_000)
            let failure = await #expect(throws: SystemError.self) { _ = try await blocking { try run.begin() } }
            #expect(failure?.errno == ENOSPC)
        }
    }

    @Test("only file systems that tell every change are cloned in two phases")
    func fileSystems() async throws {
        for (kind, expected) in [(ScratchFileSystem.Kind.xfs, true), (.btrfs, true), (.ext4, true), (.tmpfs, false)] {
            try await ScratchFileSystem.with(kind) { fileSystem in
                let directory = try Directory(path: fileSystem.path)
                #expect(TreeWalkEngine.copy().canCloneInTwoPhases(directory.raw) == expected)
            }
        }
    }

    /// Until what was done before counts as settled.
    static func rest() async throws {
        let start = DoubtRule.now()
        try await eventually("the tree has come to rest") { DoubtRule.now() - start > 500_000_000 }
    }
}

private func check<Result: SignedInteger>(_ call: String, _ body: () -> Result) throws(SystemError) {
    try systemCall(call, nil, body)
}

extension CloneRun {
    /// How many descriptors of this process are of the source or of what is below it.
    func openBelowSource() throws -> Int {
        try Directory(path: "/proc/self/fd").names().count { name in
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = readlink("/proc/self/fd/\(name)", &buffer, buffer.count)
            return length > 0 && buffer[..<length].starts(with: source.utf8CString.dropLast())
        }
    }

    /// Runs `body` with the path of a folder of the source, whose time of modification is put back afterwards.
    func keepingTime(of folder: String, _ body: (String) throws -> Void) throws {
        let path = "\(source)/\(folder)"
        var status = stat()
        try systemCall("stat", path) { stat(path, &status) }
        try body(path)
        try systemCall("utimensat", path) { utimensat(AT_FDCWD, path, [status.st_atim, status.st_mtim], 0) }
    }

    /// Other content of the same size, and the time of modification put back.
    func rewriteUnseen(_ path: String) throws {
        let file = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_WRONLY | O_CLOEXEC, 0) })
        let raw = file.raw
        var status = stat()
        try systemCall("fstat", path) { fstat(raw, &status) }
        try systemCall("pwrite", path) { pwrite(raw, [42, 43], 2, 0) }
        try systemCall("futimens", path) { futimens(raw, [status.st_atim, status.st_mtim]) }
    }
}
