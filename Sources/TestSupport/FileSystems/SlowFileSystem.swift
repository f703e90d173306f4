private import Glibc
import RuntimeCore

/// A FUSE mount whose file `slow` can be read only after `release`: whoever reads it before sits in the kernel, out of the reach of
/// signals and freezers. However the test ends, daemon, mount and folder go.
package struct SlowFileSystem: Sendable {
    package let path: String
    /// Killed, it leaves a dead mount behind, where everything is ENOTCONN.
    package let daemon: ProgramProcess
    private let gate: String

    package var slowFile: String { "\(path)/slow" }

    package static func with<Result>(_ body: (SlowFileSystem) async throws -> Result) async throws -> Result {
        try await ScratchFileSystem.with(.folder) { folder in
            let path = "\(folder.path)/slow"
            try systemCall("mkdir", path) { mkdir(path, 0o755) }
            Lifeline.shared.atEnd("umount -l '\(path)' 2>/dev/null")
            let gate = "\(folder.path)/gate"
            let daemon = try ProgramProcess("slow-fuse", arguments: [path, gate])
            let slow = SlowFileSystem(path: path, daemon: daemon, gate: gate)
            defer {
                // Whoever still waits in it is let go: the kernel ends all requests with their server.
                daemon.end(SIGKILL)
                umount2(path, CInt(MNT_DETACH))
            }
            try await eventually("slow-fuse is mounted", within: .seconds(30)) { access(slow.slowFile, F_OK) == 0 }
            return try await body(slow)
        }
    }

    /// Answers whoever waits, and lets everybody after them pass.
    package func release() throws {
        let file = open(gate, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw SystemError("open", gate) }
        close(file)
    }
}
