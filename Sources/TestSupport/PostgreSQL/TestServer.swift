private import CShims
private import Glibc
import Runtime
import RuntimeCore

/// A private PostgreSQL server in a scratch folder, reached over its socket. It ends, and the folder goes, when this process
/// ends, however it ends.
package final class TestServer: Sendable {
    /// Holds data, socket and log.
    package let folder: String
    /// 5432, which names the socket; of TCP only where the server speaks it.
    package let port: UInt16
    private let binaries: String
    /// The watcher ends the server once this end of its pipe is closed, which the kernel does for a killed process.
    private let lifeline: FileDescriptor

    private init(folder: String, port: UInt16, binaries: String, lifeline: consuming FileDescriptor) {
        self.folder = folder
        self.port = port
        self.binaries = binaries
        self.lifeline = lifeline
    }

    /// Makes a cluster and starts it.
    ///
    /// - Parameter encrypted: speak TLS on a free port of 127.0.0.1 too, with a certificate of its own, `server.crt` in the folder.
    package static func start(encrypted: Bool = false) async throws -> TestServer {
        let binaries = try await binaries()
        let folder = try makeScratchFolder()
        let lifeline = try watch(folder: folder, binaries: binaries)
        let port = encrypted ? try SocketAddress.free().port : 5432
        let server = TestServer(folder: folder, port: port, binaries: binaries, lifeline: lifeline)
        try await Command.run(
            asPostgres([
                "\(binaries)/initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                "--locale=C.UTF-8", "--pgdata=\(folder)/data",
            ]))
        var settings = [
            "listen_addresses = ''", "unix_socket_directories = '\(folder)'", "port = \(port)", "fsync = off",
            "full_page_writes = off", "max_connections = 300", "shared_buffers = 64MB", "log_min_messages = warning",
            // Anything but UTC, so that a client that relies on it is found out.
            "timezone = 'Asia/Kathmandu'",
        ]
        if encrypted {
            try await makeCertificate(in: folder)
            settings += [
                "listen_addresses = '127.0.0.1'", "ssl = on", "ssl_cert_file = '\(folder)/server.crt'",
                "ssl_key_file = '\(folder)/server.key'",
            ]
        }
        try append(settings, to: "\(folder)/data/postgresql.conf")
        try await server.start()
        return server
    }

    /// - Parameter database: `postgres` is always there.
    package func dsn(database: String = "postgres") -> String {
        "host=\(folder) port=\(port) user=postgres dbname=\(database)"
    }

    /// Starts again after `stop`; returns when it takes connections.
    package func start() async throws {
        try await control(["start", "-w", "-t", "60", "-l", "\(folder)/log"])
    }

    /// Stops at once, as in a crash: sessions are cut, nothing is written back.
    package func stop() async throws { try await control(["stop", "-m", "immediate", "-w"]) }

    /// Stops its processes in the middle of whatever they do: connections stand, and nobody answers. Call `thaw` before it is to end.
    package func freeze() async throws { try await signal("STOP") }

    package func thaw() async throws { try await signal("CONT") }

    private func signal(_ name: String) async throws {
        // The first one first: it starts no others meanwhile.
        let script = """
            postmaster=$(head -n 1 '\(folder)/data/postmaster.pid')
            kill -\(name) "$postmaster"
            for child in $(cat "/proc/$postmaster/task/$postmaster/children"); do kill -\(name) "$child" || true; done
            """
        try await Command.run(["sh", "-c", script])
    }

    private func control(_ words: [String]) async throws {
        try await Command.run(TestServer.asPostgres(["\(binaries)/pg_ctl", "-D", "\(folder)/data"] + words))
    }

    /// PostgreSQL refuses to run as root.
    private static func asPostgres(_ words: [String]) -> [String] {
        geteuid() == 0 ? ["runuser", "-u", "postgres", "--"] + words : words
    }

    private static func binaries() async throws -> String {
        let found = try await Command.run(["sh", "-c", "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1"])
        return String(found.prefix { $0 != "\n" })
    }

    private static func makeScratchFolder() throws -> String {
        var template = Array("/tmp/wvs-postgres-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp") }
        let folder = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        if geteuid() == 0, let postgres = getpwnam("postgres") {
            try systemCall("chown", folder) { chown(folder, postgres.pointee.pw_uid, postgres.pointee.pw_gid) }
        }
        return folder
    }

    private static func watch(folder: String, binaries: String) throws -> FileDescriptor {
        var ends: [CInt] = [0, 0]
        try systemCall("pipe2") { wvs_pipe2(&ends, O_CLOEXEC) }
        let ours = FileDescriptor(owning: ends[1])
        let theirs = FileDescriptor(owning: ends[0])
        let stop = asPostgres(["\(binaries)/pg_ctl", "-D", "\(folder)/data", "stop", "-m", "immediate"])
        // Reading ends when nobody holds the other end any more.
        let script = "cat; \(stop.joined(separator: " ")); rm -rf '\(folder)'"
        _ = try Command.spawn(["sh", "-c", script], input: theirs.raw)
        return ours
    }

    private static func makeCertificate(in folder: String) async throws {
        try await Command.run(
            asPostgres([
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(folder)/server.key", "-out",
                "\(folder)/server.crt",
            ]))
    }

    private static func append(_ lines: [String], to path: String) throws {
        let file = FileDescriptor(owning: try systemCall("open", path) { open(path, O_WRONLY | O_APPEND | O_CLOEXEC) })
        var text = lines.joined(separator: "\n") + "\n"
        try systemCall("write", path) { text.withUTF8 { write(file.raw, $0.baseAddress, $0.count) } }
    }
}
