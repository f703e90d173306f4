import JSON
import TestSupport
import Testing

extension Integration {
    @Suite struct IdempotencyTests {
        @Test func twoClientsWithTheSameKeyAtOnceMakeOneTask() async throws {
            var options = TestStack.Options()
            options.engine = "copy"
            try await withStack(options, on: .folder) { stack, _ in
                try await stack.createWorkspace("twice")
                for round in 1...20 {
                    let ids = try await withThrowingTaskGroup(of: String.self) { group in
                        for _ in 0..<4 {
                            group.addTask { [stack] in
                                try await stack.accept(
                                    "POST", "/v1/workspaces/twice/snapshots", key: "round-\(round)",
                                    body: ["message": "m"])
                            }
                        }
                        return try await group.reduce(into: Set<String>()) { $0.insert($1) }
                    }
                    #expect(ids.count == 1)
                }
                let other = try await stack.send(
                    "POST", "/v1/workspaces/twice/snapshots", key: "round-1", body: ["message": "another"])
                #expect(other.status == 409)
                #expect(try other.json["code"] == "WVS_CONFLICT_IDEMPOTENT_MISMATCH")
            }
        }
    }
}
