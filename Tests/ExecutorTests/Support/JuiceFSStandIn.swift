private import CShims
import FoundationEssentials
import Glibc
import RuntimeCore

@testable import Executor

/// The engine `juicefs` with a program that behaves as the real one is documented to (Tests/Peers/juicefs_stand_in.py), over a
/// folder that plays the mount.
struct JuiceFSStandIn {
    let root: String
    /// Each command line, as the program got it.
    var log: [String] {
        get throws {
            try String(contentsOfFile: "\(root)/.log", encoding: .utf8).split(separator: "\n").map(String.init)
        }
    }
    let engine: JuiceFSEngine

    /// - Parameters:
    ///   - settings: of the stand-in, without their prefix: `["MODE": "slow"]`.
    ///   - config: what the mount's `.config` says; nil for a mount without one.
    init(
        _ root: String, settings: [String: String] = [:], threads: Int = 0,
        config: String? = #"{"Meta": {}, "Chunk": {"Writeback": false}, "Version": "1.4.0+2026-05-12.8f0a1b2"}"#
    ) throws {
        self.root = root
        let program = "\(root)/.juicefs"
        let script = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        // A link: a script that this process has just written is busy for as long as another thread forks.
        if symlink("/\(script)/Peers/juicefs_stand_in.py", program) != 0, errno != EEXIST {
            throw SystemError("symlink", program)
        }
        try settings.merging(["ROOT": root, "LOG": "\(root)/.log"]) { $1 }
            .map { "JUICEFS_\($0.key)=\($0.value)\n" }.joined()
            .write(toFile: "\(root)/.juicefs-settings", atomically: false, encoding: .utf8)
        if let config { try config.write(toFile: "\(root)/.config", atomically: false, encoding: .utf8) }
        engine = JuiceFSEngine(command: JuiceFSCommand(program, threads: threads), threads: threads) { _ in
            JuiceFSMount(path: root)
        }
    }
}
