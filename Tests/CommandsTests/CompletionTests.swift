import Foundation
import TestSupport
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

    @Test func aContextIsOfferedWhereOneIsAskedForAndNowhereElse() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("wvsctl-\(UUID()).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try "contexts:\n  lab:\n    api-url: http://127.0.0.1:1\n".write(to: file, atomically: true, encoding: .utf8)
        func candidates(_ words: String...) -> [String] {
            Completion.candidates(words, environment: ["WVSCTL_CONFIG": file.path])
        }
        #expect(candidates("workspace", "list", "--context", "") == ["lab"])
        #expect(candidates("context", "use", "") == ["lab"])
        #expect(candidates("workspace", "create", "ws-1", "--owner", "") == [])
    }

    /// What each shell offers after `wvsctl snapshot `, once it has read its script. Bash is always there, the others are
    /// tried where they are installed.
    private static let shells = [
        "bash":
            #"source <(wvsctl completion bash); COMP_WORDS=(wvsctl snapshot ''); COMP_CWORD=2; _wvsctl; printf '%s\n' "${COMPREPLY[@]}""#,
        "zsh":
            #"compdef() { :; }; compadd() { shift; print -l -- "$@"; }; source <(wvsctl completion zsh); words=(wvsctl snapshot ''); CURRENT=3; _wvsctl"#,
        "fish": #"wvsctl completion fish | source; complete -C 'wvsctl snapshot '"#,
    ].filter { FileManager.default.fileExists(atPath: "/usr/bin/\($0.key)") }

    @Test func shellsLoadTheirScriptsAndOfferVerbs() async throws {
        #expect(Self.shells["bash"] != nil)
        // Some shells write below it.
        let home = FileManager.default.temporaryDirectory.appendingPathComponent("wvsctl-\(UUID())")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: home) }
        for (shell, script) in Self.shells {
            let offered = try await TestSupport.Command.run([
                "env", "-i", "PATH=\(ProgramProcess.folder):/usr/bin:/bin", "HOME=\(home.path)", shell, "-c", script,
            ])
            let verbs = Set(offered.split(separator: "\n").map(String.init))
            #expect(verbs == ["create", "get", "list", "drop"], "\(shell): \(offered)")
        }
    }
}
