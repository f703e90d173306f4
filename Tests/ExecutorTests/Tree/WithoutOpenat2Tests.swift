private import CShims
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Where a filter of the machine keeps openat2 away", .enabled(if: ScratchFileSystem.canMount))
struct WithoutOpenat2Tests {
    @Test("nothing leads into another file system, through a link, or out")
    func mountPoint() async throws {
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            for name in ["folder", "mounted", "bound"] {
                try systemCall("mkdir") { mkdir("\(fileSystem.path)/\(name)", 0o700) }
            }
            try systemCall("symlink") { symlink("folder", "\(fileSystem.path)/link") }
            try await Command.run(["mount", "-t", "tmpfs", "none", "\(fileSystem.path)/mounted"])
            try await Command.run(["mount", "--bind", "\(fileSystem.path)/folder", "\(fileSystem.path)/bound"])
            let root = try Directory(path: fileSystem.path)
            let codes = try await Self.withoutOpenat2 {
                ["folder", ".", "mounted", "bound", "link", "..", "folder/.."].map { name in
                    let raw = wvs_openat2_beneath(root.raw, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
                    let code = raw < 0 ? errno : 0
                    if raw >= 0 { close(raw) }
                    return code
                }
            }
            #expect(codes == [0, 0, EXDEV, EXDEV, ENOTDIR, ENOSYS, ENOSYS])
        }
    }

    /// Runs `body` on a thread to which the kernel answers ENOSYS (seccomp(2)).
    private static func withoutOpenat2<Result: Sendable>(
        _ body: @escaping @Sendable () -> Result
    ) async throws -> Result {
        try await blocking {
            let result = Mutex<Result?>(nil)
            try WorkerThread(name: "filtered") {
                if refuseOpenat2() { result.withLock { $0 = body() } }
            }.join()
            return try #require(result.withLock { $0 }, "there is no seccomp here")
        }
    }
}

/// For the calling thread, for good.
private func refuseOpenat2() -> Bool {
    typealias Prctl = @convention(c) (CInt, UInt, UInt, UInt, UInt) -> CInt
    guard let symbol = dlsym(nil, "prctl") else { return false }
    let prctl = unsafeBitCast(symbol, to: Prctl.self)
    // struct sock_filter: code, jt, jf, k.
    func instruction(_ code: UInt64, _ value: UInt64, ifNot skipped: UInt64 = 0) -> UInt64 {
        code | skipped << 24 | value << 32
    }
    let filter = [
        instruction(0x20, 0),  // Load the number of the call.
        instruction(0x15, 437, ifNot: 1),  // Is it openat2?
        instruction(0x06, 0x0005_0000 | UInt64(ENOSYS)),  // SECCOMP_RET_ERRNO
        instruction(0x06, 0x7fff_0000),  // SECCOMP_RET_ALLOW
    ]
    return filter.withUnsafeBufferPointer { filter in
        let program = [UInt(filter.count), UInt(bitPattern: filter.baseAddress)]
        return program.withUnsafeBufferPointer { program in
            // PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
            prctl(38, 1, 0, 0, 0) == 0 && prctl(22, 2, UInt(bitPattern: program.baseAddress), 0, 0) == 0
        }
    }
}
