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
