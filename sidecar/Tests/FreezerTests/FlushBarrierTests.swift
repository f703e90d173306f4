private import CShims
import Freezer
private import Glibc
import RuntimeCore
import Testing

/// The test's own process stands for the frozen one: the barrier looks at it through /proc as at any other. Serialized, because
/// unlike a frozen one it would otherwise open and close files meanwhile.
@Suite(.serialized) struct FlushBarrierTests {
    private let folder: ScratchFolder
    private let files: WorkspaceFiles

    init() throws {
        folder = try ScratchFolder()
        files = try WorkspaceFiles(workspace: folder.path)
    }

    /// This process is not frozen: what other tests open and close under a look of the barrier spoils that look.
    /// This process is not frozen: what other tests open and close under a look of the barrier may spoil that look.
    private func flush(_ process: CInt = getpid()) throws -> FlushBarrier.Outcome {
        var looks = process == getpid() ? 50 : 1
        while true {
            looks -= 1
            let outcome = flushOnce(process)
            if case .failure = outcome, looks > 0 { continue }
            return try outcome.get()
        }
    }

    private func flushOnce(_ process: CInt) -> Result<FlushBarrier.Outcome, any Error> {
        Result {
            var barrier = FlushBarrier()
            return try barrier.flush([process], of: files) { true }
        }
    }

    private func create(_ name: String, _ mode: mode_t = 0o644, flags: CInt = 0) throws -> FileDescriptor {
        let path = "\(folder.path)/\(name)"
        return FileDescriptor(
            owning: try systemCall("open", path) { wvs_open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, mode) })
    }

    @Test("Buffered writes reach the file system, also of files that are unlinked, unreadable or open for appending")
    func flushesDescriptors() throws {
        let plain = try create("plain")
        let unlinked = try create("unlinked")
        let closed = try create("closed", 0o400)
        let appended = try create("appended", flags: O_APPEND)
        unlink("\(folder.path)/unlinked")
        for file in [plain.raw, unlinked.raw, closed.raw, appended.raw] {
            #expect(write(file, "dirty", 5) == 5)
            #expect(Extents.areDelayed(file))
        }
        let outcome = try flush()
        for file in [plain.raw, unlinked.raw, closed.raw, appended.raw] {
            #expect(!Extents.areDelayed(file))
            let inode = try Extents.inode(file)
            #expect(outcome.files.contains { $0.identity.inode == inode && $0.isFlushed })
        }
    }

    @Test(
        "A shared mapping is flushed though its descriptor is closed, its file unlinked and its pages protected again")
    func flushesMappings() throws {
        let file = try create("mapped")
        ftruncate(file.raw, 8192)
        let memory = try #require(mmap(nil, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file.raw, 0))
        defer { munmap(memory, 8192) }
        let observer = FileDescriptor(
            owning: try systemCall("open") { wvs_open("\(folder.path)/mapped", O_RDONLY | O_CLOEXEC, 0) })
        close(file.release())
        unlink("\(folder.path)/mapped")
        memory.storeBytes(of: 1, as: UInt8.self)
        mprotect(memory, 8192, PROT_READ)
        #expect(Extents.areDelayed(observer.raw))
        let outcome = try flush()
        #expect(!Extents.areDelayed(observer.raw))
        let inode = try Extents.inode(observer.raw)
        #expect(outcome.files.contains { $0.identity.inode == inode && $0.isFlushed })
    }

    @Test("A file that is held often is flushed once; files only read, and of other file systems, not at all")
    func flushesOnce() throws {
        let file = try create("shared")
        let again = FileDescriptor(owning: dup(file.raw))
        let reader = FileDescriptor(owning: wvs_open("\(folder.path)/shared", O_RDONLY | O_CLOEXEC, 0))
        let only = try create("read")
        close(only.release())
        let readOnly = FileDescriptor(owning: wvs_open("\(folder.path)/read", O_RDONLY | O_CLOEXEC, 0))
        let elsewhere = FileDescriptor(
            owning: wvs_open("/dev/shm/wvs-\(getpid())", O_RDWR | O_CREAT | O_CLOEXEC, 0o600))
        unlink("/dev/shm/wvs-\(getpid())")
        let outcome = try flush()
        let (inode, unread) = (try Extents.inode(file.raw), try Extents.inode(readOnly.raw))
        #expect(outcome.files.count { $0.identity.inode == inode } == 1)
        #expect(!outcome.files.contains { $0.identity.inode == unread })
        let foreign = try Extents.inode(elsewhere.raw)
        #expect(!outcome.files.contains { $0.identity.inode == foreign && $0.path.hasPrefix("/dev/shm") })
        withExtendedLifetime((again.raw, reader.raw)) {}
    }

    @Test("Thousands of descriptors are flushed in one go")
    func flushesThousands() throws {
        let script = """
            ulimit -n 8192; cd \(folder.path)
            exec perl -e 'for (1..2000) { open(my $f, ">", "f$_"); syswrite($f, "x"); push @h, $f } mkdir("done"); sleep 1000'
            """
        let holder = try ShellProcess(script)
        #expect(eventually(within: .seconds(60)) { access("\(folder.path)/done", F_OK) == 0 })
        let outcome = try flush(holder.pid)
        #expect(outcome.flushedCount == 2000)
        #expect(outcome.shortfall == nil)
    }

    @Test("A freeze that is called off ends the flush with an error")
    func stopsWhenUnwanted() throws {
        let file = try create("file")
        defer { withExtendedLifetime(file.raw) {} }
        var barrier = FlushBarrier()
        #expect(throws: FreezerError.self) {
            try barrier.flush([getpid()], of: files) { false }
        }
    }

    @Test("A process that has ended holds nothing")
    func toleratesTheDead() throws {
        let shell = try ShellProcess(":")
        waitpid(shell.pid, nil, 0)
        let outcome = try flush(shell.pid)
        #expect(outcome.files.isEmpty)
        #expect(outcome.shortfall == nil)
    }
}

/// What the file system knows of a file's blocks (FS_IOC_FIEMAP).
private enum Extents {
    /// Whether data waits in memory for its place on the disk.
    static func areDelayed(_ file: CInt) -> Bool {
        // struct fiemap: start, length, flags, mapped, count, reserved; then fiemap_extent of 56 bytes with its flags at 40.
        var buffer = [UInt64](repeating: 0, count: 4 + 8 * 7)
        buffer[1] = .max
        buffer[3] = 8
        guard buffer.withUnsafeMutableBytes({ wvs_ioctl(file, 0xC020_660B, $0.baseAddress) }) == 0 else { return false }
        let count = Int(buffer[2] >> 32)
        return (0..<count).contains { buffer[4 + $0 * 7 + 5] & 0x4 != 0 }
    }

    static func inode(_ file: CInt) throws -> UInt64 {
        var status = stat()
        try systemCall("fstat") { fstat(file, &status) }
        return UInt64(status.st_ino)
    }
}
