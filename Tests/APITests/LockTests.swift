import RuntimeCore
import Store
import TestSupport
import Testing

@testable import API

@Suite struct LockTests {
    @Test("writes to a workspace whose row stays locked are refused with 503, and keep nobody from another workspace")
    func locked() async throws {
        try await TestAPI.with { api in
            for wsid in ["ws-1", "ws-2"] { try await api.makeActiveWorkspace(wsid) }
            let (locked, signal) = AsyncStream.makeStream(of: Void.self)
            let release = Mutex(false)
            // As a worker that was stopped in the middle of a transaction.
            let holder = Task {
                try await api.pool.transaction { connection in
                    _ = try Workspaces.lock("ws-1", .noKeyUpdate, on: connection)
                    signal.finish()
                    while !release.withLock({ $0 }) { try connection.script("SELECT pg_sleep(0.01)") }
                }
            }
            for await _ in locked {}
            defer { release.withLock { $0 = true } }
            // More than there are connections.
            let writes = (0..<12).map { number in
                Task { try await api.post("/v1/workspaces/ws-1/snapshots", [:], key: "locked-\(number)") }
            }
            try await eventually("they wait") {
                try await api.count(
                    """
                    SELECT count(*)::int FROM pg_stat_activity
                    WHERE wait_event_type = 'Lock' AND datname = current_database()
                    """) > 0
            }
            for _ in 0..<5 { #expect(try await api.get("/v1/workspaces/ws-2").status == 200) }
            let taken = try await api.post("/v1/workspaces/ws-2/snapshots", [:], key: "free")
            #expect(taken.status == 202)
            for write in writes {
                let refused = try await write.value
                #expect(refused.refusal == "503 WVS_INTERNAL")
                #expect(refused.headers["retry-after"] == "1")
                #expect(try refused.json["detail"]?.string?.contains("locked") == true)
            }
            release.withLock { $0 = true }
            try await holder.value
            #expect(try await api.post("/v1/workspaces/ws-1/snapshots", [:], key: "locked-0").status == 202)
        }
    }
}
