private import Glibc
import JSON
import Model
import Runtime
import RuntimeCore
import TestSupport
import Testing

/// What comes from clients that mean harm: it is refused as a problem, and changes nothing.
@Suite struct HostileTests {
    @Test("a body that no honest client sends is 400 or 413, in little time, and changes nothing")
    func bodies() async throws {
        let prefix = #"{"wsid":"ws-1","owner":"#
        let million = 1_000_000
        let bodies: [[UInt8]] =
            [
                prefix + #""\ud800"}"#, prefix + #""\udc00\ud800"}"#, prefix + #""a\u0000b"}"#, prefix + "\"a\u{0}b\"}",
                #"{"wsid":"ws-1","owner":"a","\u006fwner":"b"}"#, #"{"wsid":"ws-1","owner":"a","":1}"#,
                prefix + #""a","uid":99999999999999999999}"#, prefix + #""a","uid":1e999}"#,
                prefix + #""a","uid":-9223372036854775808}"#, prefix + #""a","uid":0x7}"#, prefix + #""a","uid":07}"#,
                prefix + #""a","uid":NaN}"#, prefix + #""a",}"#,
                prefix + "'a'}", "\u{feff}" + prefix + #""a"}"#, "// a\n" + prefix + #""a"}"#,
                String(repeating: "[", count: million), String(repeating: #"{"a":"#, count: million / 5),
                prefix + String(repeating: "9", count: million) + "}",
                prefix + "\"" + String(repeating: "a", count: million) + "\"}",
                prefix + #""a"}"# + String(repeating: " ", count: 1 << 20),
                "{" + (0..<60_000).map { "\"m\($0)\":1" }.joined(separator: ",") + "}",
            ].map { Array($0.utf8) } + [
                Array(prefix.utf8) + [0x22, 0xff, 0x22, 0x7d], Array(prefix.utf8) + [0x22, 0xc0, 0xaf, 0x22, 0x7d],
                Array(prefix.utf8) + [0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d], [0], [0xff, 0xfe, 0x7b, 0x00],
            ]
        try await TestAPI.with { api in
            for body in bodies {
                let start = MonotonicTime.now
                let connection = try RawConnection(to: api.address)
                try await connection.send(
                    "POST /v1/workspaces HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\n"
                        + "Content-Length: \(body.count)\r\n\r\n")
                try await connection.send(body)
                let answer = try await connection.response()
                let begin = String(decoding: body.prefix(60), as: UTF8.self)
                #expect(answer.status == 400 || answer.status == 413, "\(begin): \(answer.text)")
                #expect(answer["Content-Type"] == "application/problem+json", "\(begin)")
                #expect((MonotonicTime.now - start).seconds < 10, "\(begin)")
                #expect(answer.body.count < 4096, "\(begin)")
            }
            for table in ["workspaces", "tasks", "audit"] {
                #expect(try await api.count("SELECT count(*) FROM wvs.\(unescaped: table)") == 0)
            }
        }
    }

    @Test(
        "a path that climbs, hides a slash or is encoded wrongly leads nowhere",
        arguments: [
            "/v1/workspaces/%2e%2e", "/v1/workspaces/..%2f..", "/v1/workspaces/ws-1%2fcurrent",
            "/v1/workspaces/ws-1%00",
            "/v1/workspaces/%c0%ae%c0%ae", "/v1/workspaces/%ff", "/v1/workspaces/ws-1/../ws-2",
            "/v1/workspaces/ws-1/./current", "/v1//workspaces", "//v1/workspaces", "/v1/workspaces/",
            "/v1/workspaces/ws-1;a",
            "/v1/workspaces/ws-1%20", "/v1/workspaces/ws%2D", "/V1/workspaces", "/v1/workspaces/ws-1%0d%0aX:a",
            "/v1/workspaces/%u0077s", "/v1/tasks/%2e%2e:cancel", "/v1/workspaces#x", "/v1\\workspaces",
        ])
    func paths(path: String) async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let answer = try await RawConnection.request("GET", path, at: api.address)
            #expect([400, 404, 405].contains(answer.status), "\(answer.text)")
            #expect(answer["Content-Type"] == "application/problem+json")
        }
    }

    @Test("10,000 idle connections and 1,000 slow ones leave the API answering, in bounded memory")
    func crowd() async throws {
        try await TestDatabase.with { database in
            let program = try ProgramProcess(
                "wvs-api", arguments: ["--listen-addr", "127.0.0.1:0", "--metrics-addr=127.0.0.1:0"],
                environment: ["WVS_DB_DSN": database.dsn])
            let address = try await program.address("api")
            func resident() async throws -> Int {
                let status = try await Command.run(["cat", "/proc/\(program.pid)/status"])
                let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
                return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
            }
            #expect(try await HTTPExchange.send("GET", "/healthz", to: address).status == 200)
            let before = try await resident()
            let idle = try IdleClients(10_000, at: address)
            #expect(idle.count == 10_000)
            // They come as fast as they are let in; meanwhile others are served.
            for _ in 0..<20 {
                #expect(try await HTTPExchange.send("GET", "/v1/workspaces", to: address).status == 200)
            }
            let whileIdle = try await resident()
            var slow: [RawConnection] = []
            for number in 0..<1000 {
                let connection = try RawConnection(to: address)
                try await connection.send(
                    number.isMultiple(of: 2)
                        ? "GET /v1/workspaces HTTP/1.1\r\nHost: x\r\nX: \(String(repeating: "a", count: 20_000))"
                        : "POST /v1/workspaces HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n\(String(repeating: "a", count: 20_000))"
                )
                slow.append(connection)
            }
            for _ in 0..<20 {
                #expect(try await HTTPExchange.send("GET", "/v1/workspaces", to: address).status == 200)
            }
            let whileSlow = try await resident()
            print(
                "resident: \(before) MiB, with \(idle.count) idle connections \(whileIdle), with 1000 slow ones \(whileSlow)"
            )
            #expect(whileSlow - before < 150)
            withExtendedLifetime((idle, slow)) {}
            program.signal(15)
            #expect(try await program.ended() == 0)
        }
    }
}

/// Connections on which nothing is ever sent.
private final class IdleClients {
    private var sockets: [CInt] = []

    var count: Int { sockets.count }

    init(_ wanted: Int, at address: SocketAddress) throws {
        // What the other tests of this process may need.
        try IdleClients.allowDescriptors(wanted + 2000)
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = address.port.bigEndian
        target.sin_addr.s_addr = inet_addr(address.host)
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        for _ in 0..<wanted {
            let client = try systemCall("socket") { socket(AF_INET, type, 0) }
            sockets.append(client)
            withUnsafeBytes(of: &target) { bytes in
                // In progress is enough: the kernel goes on with it.
                _ = connect(
                    client, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
            }
        }
    }

    deinit { sockets.forEach { close($0) } }

    private static func allowDescriptors(_ count: Int) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        if limit.rlim_cur >= count { return }
        // Only root may raise the hard limit.
        limit.rlim_max = max(limit.rlim_max, rlim_t(count))
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw ProgramError(message: "this test needs \(count) file descriptors: raise the hard limit, ulimit -Hn")
        }
    }
}
