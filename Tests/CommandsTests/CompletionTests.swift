import Testing

@testable import Commands

@Suite struct CompletionTests {
    /// Port 1 of this machine: nobody answers, so no ids.
    private func candidates(_ words: String...) -> [String] {
        Completion.candidates(
            words, environment: ["WVS_API_URL": "http://127.0.0.1:1", "WVSCTL_CONFIG": "/nonexistent"])
    }

    @Test func nounsVerbsOptionsAndTheirValuesAreOffered() {
        #expect(candidates("").contains("snapshot"))
        #expect(candidates("snapshot", "") == ["create", "get", "list", "drop"])
        #expect(candidates("snapshot", "create", "ws-1", "--").contains("--message"))
        #expect(candidates("workspace", "list", "-o", "") == ["table", "wide", "json", "jsonl", "yaml", "name"])
        #expect(candidates("task", "list", "--status", "").contains("DEAD"))
        #expect(candidates("completion", "") == ["bash", "zsh", "fish"])
    }

    @Test func nothingIsOfferedWhereNothingFits() {
        #expect(candidates("frobnicate", "") == [])
        #expect(candidates("snapshot", "frobnicate", "") == [])
        #expect(candidates("snapshot", "create", "ws-1", "") == [])
        #expect(candidates("workspace", "get", "") == [], "a server that does not answer is no error at a prompt")
    }
}
