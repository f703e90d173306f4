import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// Whatever somebody else may have put into `.wvs`.
@Suite struct HostileFileTests {
    private let executor: Executor
    private var path: String { "\(executor.scratch.path)/control.json" }

    init() throws { executor = try Executor() }

    private func put(_ bytes: [UInt8]) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(file) }
        try #require(write(file, bytes, bytes.count) == bytes.count)
    }

    @Test(arguments: ["fifo", "link", "folder", "socket"])
    func `what is not a regular file consents to nothing, and nobody waits for it`(kind: String) throws {
        try #require(unlink(path) == 0)
        switch kind {
        case "fifo": try #require(mkfifo(path, 0o600) == 0)
        case "link": try #require(symlink("/etc/passwd", path) == 0)
        case "folder": try #require(mkdir(path, 0o700) == 0)
        default: try #require(mknod(path, mode_t(S_IFSOCK) | 0o600, 0) == 0)
        }
        guard case .invalid = executor.scratch.file.read() else {
            Issue.record("read as a document")
            return
        }
        let sidecar = try SidecarThread(executor.scratch)
        guard case .io = executor.failure() else {
            Issue.record("frozen on a \(kind)")
            return
        }
        #expect(!sidecar.agent.isFrozen)
    }

    @Test(arguments: [0, 1, 100, 4095, 65_537, 1_000_000])
    func `a file of any other size is refused as a document, and a request replaces it`(size: Int) throws {
        try put([UInt8](repeating: 0x7B, count: size))
        guard case .invalid = executor.scratch.file.read() else {
            Issue.record("read as a document")
            return
        }
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        #expect(sidecar.agent.isFrozen)
        #expect(executor.scratch.document != nil, "what stood behind the new text is gone")
        #expect(try executor.resume(freeze).isHeld)
    }

    @Test func `a document that is spoilt while the agent is frozen thaws nobody and publishes nothing torn`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        try put(Array("{\"seq\":".utf8))
        sidecar.pass()
        #expect(sidecar.agent.isFrozen)
        #expect(try executor.resume(freeze).isHeld, "the executor writes its document again, with what it has seen")
    }

    @Test func `a lock that is no file is done without`() throws {
        let lock = "\(executor.scratch.path)/control.lock"
        try #require(unlink(lock) == 0 && mkfifo(lock, 0o600) == 0)
        let sidecar = try SidecarThread(executor.scratch)
        #expect(try executor.resume(executor.freeze()).isHeld)
        #expect(!sidecar.agent.isFrozen)
    }

    @Test func `a file keeps its inode through every write`() throws {
        var before = stat()
        try #require(stat(path, &before) == 0)
        let sidecar = try SidecarThread(executor.scratch)
        _ = try executor.resume(executor.freeze())
        var after = stat()
        try #require(stat(path, &after) == 0)
        #expect(before.st_ino == after.st_ino)
        #expect(after.st_size == 4096)
        #expect(!sidecar.agent.isFrozen)
    }
}
