private import Glibc
import RuntimeCore

/// A real JuiceFS volume, mounted several times on this machine: what is true between two mounts is true between two nodes.
///
/// Its blocks are files, its metadata a Redis of its own. (Not SQLite: there JuiceFS 0.14.2 refuses every second flock(2), with
/// EIO.) `scripts/bootstrap.sh --tests` fetches the program. However the test ends, and even if the process is killed, daemons, mounts and
/// folder go.
package final class JuiceFSVolume: Sendable {
    /// One mount of the volume: a node's view of it.
    package struct Mount: Sendable {
        package let path: String
        /// The mount's daemon; killed, it leaves a dead mount behind, where everything is ENOTCONN.
        package let daemon: ProgramProcess
    }

    /// Whether there is a program for this machine. Where it only was not fetched, a test fails.
    package static var isAvailable: Bool {
        #if arch(x86_64)
            true
        #else
            false
        #endif
    }

    package let mounts: [Mount]
    private let redis: ProgramProcess

    /// Formats a volume, mounts it, lends it, and removes everything.
    ///
    /// - Parameters:
    ///   - mounts: how often it is mounted.
    ///   - options: more words for `juicefs mount`.
    package static func with<Result>(
        mounts: Int = 2, options: [String] = [], _ body: (JuiceFSVolume) async throws -> Result
    ) async throws -> Result {
        let folder = try makeFolder(mounts: mounts)
        let result = await Swift.Result<Result, any Error>.catching {
            let volume = try await JuiceFSVolume(in: folder, mounts: mounts, options: options)
            let result = await Swift.Result<Result, any Error>.catching { try await body(volume) }
            try await volume.end()
            return try result.get()
        }
        try await Command.run(["sh", "-c", removal(of: folder, mounts: mounts)])
        return try result.get()
    }

    private init(in folder: String, mounts count: Int, options: [String]) async throws {
        let program = try Self.program()
        let port: Int
        (redis, port) = try await Self.startRedis(in: folder)
        let address = "redis://127.0.0.1:\(port)/0"
        try await Command.run(
            [program, "--no-agent", "format", "--storage", "file", "--bucket", "\(folder)/blocks/", address, "test"])
        var mounts: [Mount] = []
        for index in 0..<count {
            let path = "\(folder)/mnt-\(index)"
            let daemon = try ProgramProcess(
                "juicefs", at: program,
                arguments: [
                    "--no-agent", "mount", "--no-usage-report", "--no-syslog", "--metrics", "127.0.0.1:0",
                    "--enable-xattr", "--cache-dir", "\(folder)/cache-\(index)", "--cache-size", "64",
                    "--buffer-size", "32",
                ] + options + [address, path])
            mounts.append(Mount(path: path, daemon: daemon))
        }
        for mount in mounts {
            _ = try await mount.daemon.line { $0.contains("is ready at") }
            try systemCall("chmod", mount.path) { chmod(mount.path, 0o755) }
        }
        self.mounts = mounts
    }

    /// Unmounts, and waits until the daemons have gone.
    private func end() async throws {
        for mount in mounts {
            // Busy as long as somebody stands in it, and dead after its daemon: then it goes with its last user.
            try await Command.run(["sh", "-c", "umount '\(mount.path)' 2>/dev/null || umount -l '\(mount.path)'"])
        }
        for mount in mounts {
            // It ends with its last user. One that a test has left behind is not waited for.
            if (try? await mount.daemon.ended(within: .seconds(10))) == nil { mount.daemon.end(SIGKILL) }
        }
        redis.end(SIGKILL)
    }

    /// - Returns: the server and its port on the loopback.
    private static func startRedis(in folder: String) async throws -> (ProgramProcess, Int) {
        for _ in 0..<5 {
            let port = Int(try SocketAddress.free().port)
            let server = try ProgramProcess(
                "redis-server", at: "/usr/bin/redis-server",
                arguments: [
                    "--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no", "--dir", folder,
                ])
            // Somebody else may have taken the port meanwhile: then it ends.
            let line = try await server.line { $0.contains("Ready to accept") || $0.contains("Failed listening") }
            if line.contains("Ready to accept") { return (server, port) }
        }
        throw ProgramError(message: "no free port for redis-server")
    }

    private static func makeFolder(mounts: Int) throws -> String {
        var template = Array("/tmp/wvs-juicefs-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp", "/tmp") }
        let folder = String(cString: made)
        try systemCall("chmod", folder) { chmod(folder, 0o755) }
        for index in 0..<mounts {
            let path = "\(folder)/mnt-\(index)"
            try systemCall("mkdir", path) { mkdir(path, 0o755) }
        }
        // Before anything is started: at the end the newest goes first, the daemons before their folder.
        Lifeline.shared.atEnd(removal(of: folder, mounts: mounts))
        return folder
    }

    /// Never into a mount that would not go.
    private static func removal(of folder: String, mounts: Int) -> String {
        let points = (0..<mounts).map { "'\(folder)/mnt-\($0)'" }.joined(separator: " ")
        return "for m in \(points); do umount -l \"$m\" 2>/dev/null; done; rm -rf --one-file-system '\(folder)'"
    }

    /// `.build/tools/juicefs`, above the folder of the programs.
    private static func program() throws -> String {
        var folder = ProgramProcess.folder[...]
        while let slash = folder.lastIndex(of: "/") {
            let program = "\(folder)/tools/juicefs"
            if access(program, X_OK) == 0 { return program }
            folder = folder[..<slash]
        }
        throw ProgramError(message: ".build/tools/juicefs is missing: run scripts/bootstrap.sh --tests")
    }
}

extension Swift.Result where Failure == any Error {
    fileprivate static func catching(_ body: () async throws -> Success) async -> Self {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}
