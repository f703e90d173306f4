private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Choosing an engine")
struct EngineChoiceTests {
    @Test(
        "auto shares blocks where the file system can, and copies elsewhere", .enabled(if: ScratchFileSystem.canMount))
    func auto() async throws {
        for (kind, name) in [(ScratchFileSystem.Kind.xfs, "reflink"), (.btrfs, "btrfs"), (.ext4, "copy")] {
            try await ScratchFileSystem.with(kind) { fileSystem in
                let mount = try Directory(path: fileSystem.path)
                #expect(try EngineChoice.auto.engine(mount: mount.raw, threads: 0).name == name)
            }
        }
    }

    /// What was chosen stays: all later clones would be copied, though the disk is full for a moment only.
    @Test(
        "a probe that fails for want of space passes no engine over", .enabled(if: ScratchFileSystem.canMount))
    func noSpace() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let mount = try Directory(path: fileSystem.path)
            try fill("\(fileSystem.path)/ballast")
            let failure = #expect(throws: SystemError.self) {
                try EngineChoice.auto.engine(mount: mount.raw, threads: 0)
            }
            #expect(failure?.errno == ENOSPC)
            try mount.unlink("ballast")
            #expect(try EngineChoice.auto.engine(mount: mount.raw, threads: 0).name == "reflink")
        }
    }

    @Test("trash goes while no engine can be chosen: a full disk is to become emptier by that")
    func trash() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let engines = EngineProvider(logger: Logger(level: .error)) { _ in
                throw SystemError("pwrite", errno: ENOSPC)
            }
            let folder = try Directory(path: fileSystem.path)
            try folder.makeDirectory("dead", mode: 0o700, owner: .own)
            try folder.open("dead").createSmallFile("file", [1], owner: .own)
            try engines.remove(in: folder, "dead", progress: CloneProgress(), cancellation: Cancellation())
            #expect(try folder.names() == [])
        }
    }

    /// Takes all space of a file system.
    private func fill(_ path: String) throws {
        let file = FileDescriptor(
            owning: try systemCall("open", path) { wvs_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600) })
        var (end, step) = (off_t(0), off_t(1) << 28)
        while step >= 4096 {
            if posix_fallocate(file.raw, end, step) == 0 { end += step } else { step /= 2 }
        }
    }

    @Test("an engine that was asked for by name is not replaced by another", .enabled(if: ScratchFileSystem.canMount))
    func explicit() async throws {
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let mount = try Directory(path: fileSystem.path)
            #expect(try EngineChoice.copy.engine(mount: mount.raw, threads: 0).name == "copy")
            let refusal = #expect(throws: EngineUnusable.self) {
                try EngineChoice.reflink.engine(mount: mount.raw, threads: 0)
            }
            #expect(refusal?.engine == "reflink")
        }
    }

    @Test("engines that do not exist are refused, with what is allowed", arguments: ["zfs", "AUTO"])
    func unknown(_ name: String) {
        var reader = SettingsReader(
            program: "wvs-executor", summary: "", environment: ["EXECUTOR_ENGINE": name], arguments: [])
        _ = reader.choice("EXECUTOR_ENGINE", default: EngineChoice.auto, "how trees are cloned")
        #expect {
            try reader.finish()
        } throws: { error in
            guard case .invalid(let text)? = error as? SettingsError else { return false }
            return text.contains("EXECUTOR_ENGINE") && text.contains("one of auto, juicefs, btrfs, reflink, copy")
        }
    }
}
