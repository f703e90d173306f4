import API
import Model
import Postgres
import Runtime
import RuntimeCore
import TestSupport
import Testing

@testable import Worker

/// Requests to a real wvs-api that exclude each other, at the same instant, on real PostgreSQL.
@Suite struct RaceTests {
    private static let rounds = 1000

    @Test func `a workspace that was disabled has no live task, however close a request came`() async throws {
        try await Rig.with { rig in
            try await rig.addActiveWorkspaces(Self.rounds)
            let outcomes = try await rig.race(Self.rounds) { round, api in
                async let accepted = api.send("POST", "/v1/workspaces/ws-\(round)/snapshots")
                async let disabled = api.send("DELETE", "/v1/workspaces/ws-\(round)")
                return try await [accepted, disabled]
            }
            // Accepted, and not disabled; or the other way round.
            #expect(Set(outcomes.keys) == [[202, 409], [410, 200]], "\(outcomes)")
            print("enqueue against disable: \(outcomes)")
            let live = try await rig.count(
                """
                SELECT count(*) FROM wvs.tasks JOIN wvs.workspaces USING (wsid)
                WHERE state = 'DISABLED' AND status IN ('PENDING', 'RUNNING', 'FAILED')
                """)
            #expect(live == 0)
        }
    }

    @Test func `of a drop and a set_current of the same snapshot exactly one wins, and neither is accepted in vain`()
        async throws
    {
        try await Rig.with { rig in
            try await rig.addActiveWorkspaces(Self.rounds)
            _ = try await rig.pool.query(
                """
                INSERT INTO wvs.snapshots (snapshot_id, wsid, fs_path)
                SELECT \(Self.snapshot)::text || to_char(n, 'FM0000'), 'ws-' || n, '/ws/ws-' || n || '/snapshots/s'
                FROM generate_series(0, \(Self.rounds) - 1) n
                """)
            let engines = try (0..<2).map { _ in try rig.makeEngine() }
            let runs = engines.map { engine in Task { try await engine.run() } }
            let outcomes = try await rig.race(Self.rounds) { round, api in
                let id = Self.snapshot + String(10_000 + round).dropFirst()
                let requests: [@Sendable () async throws -> Int] = [
                    { try await api.send("DELETE", "/v1/workspaces/ws-\(round)/snapshots/\(id)") },
                    {
                        try await api.send(
                            "POST", "/v1/workspaces/ws-\(round)/current:set", body: #"{"snapshot_id": "\#(id)"}"#)
                    },
                ]
                let first = round % 2
                async let one = requests[first]()
                // Together with the first, while it runs, and when it is done.
                for _ in 0..<(round / 2 % 4) { await Task.yield() }
                async let other = requests[1 - first]()
                let statuses = try await [one, other]
                return first == 0 ? statuses : statuses.reversed()
            }
            print("drop against set_current: \(outcomes)")
            let dropWins = (outcomes[[202, 409]] ?? 0) + (outcomes[[202, 404]] ?? 0)
            let setWins = outcomes[[409, 202]] ?? 0
            #expect(dropWins + setWins == Self.rounds, "\(outcomes)")
            #expect(dropWins > 0 && setWins > 0, "\(outcomes)")
            try await eventually("all have ended", within: .seconds(60)) {
                try await rig.count("SELECT count(*) FROM wvs.tasks WHERE ended_at IS NULL") == 0
            }
            engines.forEach { $0.shutdown() }
            for run in runs { try await run.value }

            #expect(try await rig.count("SELECT count(*) FROM wvs.tasks WHERE status = 'SUCCEEDED'") == Self.rounds)
            #expect(try await rig.count("SELECT count(*) FROM wvs.tasks") == Self.rounds)
            let both = try await rig.count(
                """
                SELECT count(*) FROM wvs.workspaces JOIN wvs.snapshots USING (wsid)
                WHERE (deleted_at IS NOT NULL) = (current_snapshot_id IS NOT DISTINCT FROM snapshot_id)
                """)
            #expect(both == 0)
        }
    }

    private static let snapshot = "01890000-0000-7000-8000-00000000"
}

/// A client of a wvs-api in this process.
private struct RaceClient: Sendable {
    let address: SocketAddress

    /// The status of the answer.
    func send(_ method: String, _ path: String, body: String? = nil) async throws -> Int {
        var headers = [("Idempotency-Key", UUIDv7.make())]
        if body != nil { headers.append(("Content-Type", "application/json")) }
        return try await RawConnection.request(method, path, at: address, headers: headers, body: body).status
    }
}

extension Rig {
    fileprivate func addActiveWorkspaces(_ count: Int) async throws {
        _ = try await pool.query(
            """
            INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path, state)
            SELECT 'ws-' || n, '/ws/ws-' || n, 'test', '/ws/ws-' || n || '/live/x', 'ACTIVE'
            FROM generate_series(0, \(count) - 1) n
            """)
    }

    fileprivate func count(_ query: Query) async throws -> Int { try await pool.query(query).first?.first() ?? 0 }

    /// Runs all rounds, several at a time, against a wvs-api; answers how often which statuses came together.
    fileprivate func race(
        _ rounds: Int, _ round: @escaping @Sendable (Int, RaceClient) async throws -> [Int]
    ) async throws -> [[Int]: Int] {
        let environment = [
            "WVS_DB_DSN": dsn, "WVS_LISTEN_ADDR": "127.0.0.1:0", "WVS_METRICS_ADDR": "127.0.0.1:0",
        ]
        var reader = SettingsReader(program: "wvs-api", summary: "", environment: environment, arguments: [])
        let settings = APISettings(&reader)
        try reader.finish()
        let program = try APIProgram(settings, logger: Rig.logger)
        let running = program.services.map { service in Task { try await service.run() } }
        let client = RaceClient(address: program.address)
        let outcome: Result<[[Int]: Int], any Error>
        do {
            outcome = .success(
                try await withThrowingTaskGroup(of: [[Int]: Int].self) { group in
                    for lane in 0..<8 {
                        group.addTask {
                            var outcomes: [[Int]: Int] = [:]
                            for number in stride(from: lane, to: rounds, by: 8) {
                                outcomes[try await round(number, client), default: 0] += 1
                            }
                            return outcomes
                        }
                    }
                    return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
                })
        } catch {
            outcome = .failure(error)
        }
        for (service, task) in zip(program.services, running).reversed() {
            service.shutdown()
            try await task.value
        }
        return try outcome.get()
    }
}
