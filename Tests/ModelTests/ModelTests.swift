import JSON
import Model
import Testing

@Suite struct ModelTests {
    @Test(arguments: ["abc", "a-b", "0" + String(repeating: "-", count: 61) + "9", "ws-1"])
    func aWorkspaceNameOfThePatternIsValid(text: String) { #expect(WorkspaceID.isValid(text)) }

    @Test(arguments: [
        "", "a", "ab", "-ab", "ab-", "Abc", "a_b", "a.b", "a/b", "ab\n", "äbc", "a\0b",
        String(repeating: "a", count: 64),
        "..", "a b",
    ])
    func anyOtherWorkspaceNameIsInvalid(text: String) { #expect(!WorkspaceID.isValid(text)) }

    @Test func theHashDependsOnTheValueNotOnItsSpelling() throws {
        let one = try JSONValue(parsing: "{\"b\":1.0,\"a\":\"\\u00fc\"}")
        let two = try JSONValue(parsing: " {\"a\":\"ü\", \"b\":1}")
        let hash = { (body: JSONValue?) in RequestHash.make(body: body, method: "POST", path: "/v1/workspaces") }
        #expect(hash(one) == hash(two))
        #expect(hash(nil) != hash([:]))
        #expect(hash(one) != RequestHash.make(body: one, method: "POST", path: "/v1/workspaces/x"))
    }

    /// `printf '{"a":1}POST/x' | sha256sum`
    @Test func theHashIsSHA256OfBodyMethodAndPath() {
        #expect(
            RequestHash.make(body: ["a": 1], method: "POST", path: "/x")
                == "2c158c6f05b1b302746ee179fe93c2362621cc89ae83141ed0414f50bf36d1d2")
    }

    @Test func retriesWaitTwiceAsLongEachTimeUpToTheLimit() {
        let delays = (1...8).map { Backoff().delay(afterAttempt: $0) }
        #expect(delays == [5, 10, 20, 40, 80, 160, 300, 300].map { .seconds($0) })
        #expect(Backoff().delay(afterAttempt: 1_000_000) == .seconds(300))
    }

    @Test func aTaskErrorReadsBackFromItsJSON() {
        let error = TaskError(code: "QUIESCE_TIMEOUT", message: "m", retryable: true, attempt: 2, details: ["a": 1])
        #expect(TaskError(error.json) == error)
    }

    @Test func everyErrorCodeHasAnErrorStatus() {
        #expect(ErrorCode.allCases.allSatisfy { (400...599).contains($0.httpStatus) })
    }

    @Test func `a path of a live tree gives its id back, another path does not`() {
        for root in ["/ws", "/mnt/ws//", "/"] {
            let paths = WorkspacePaths(root: root)
            #expect(paths.liveID(paths.live("x", of: "ws-1"), of: "ws-1") == "x")
            #expect(paths.liveID(paths.live("x", of: "ws-1"), of: "ws-2") == nil)
            #expect(paths.liveID(paths.live("x/y", of: "ws-1"), of: "ws-1") == nil)
            #expect(paths.liveID(paths.live("", of: "ws-1"), of: "ws-1") == nil)
        }
        #expect(WorkspacePaths(root: "/").root(of: "ws-1") == "/ws-1")
    }

    @Test func `only what has not ended can be canceled, except that nobody minds in a disabled workspace`() {
        for status in TaskStatus.allCases {
            let expected: CancelDecision = status == .running ? .request : status.isEnded ? .refuse : .end
            #expect(CancelDecision(status, in: .active) == expected)
            #expect(CancelDecision(status, in: .disabled) == (status.isEnded ? .unchanged : expected))
        }
    }
}
