import Foundation
import TestSupport
import Testing

@testable import Commands

/// Commands that documents show are commands that there are.
@Suite struct DocumentTests {
    /// …/Tests/CommandsTests/DocumentTests.swift
    private static let root = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized

    private static func documents() throws -> [String] {
        let docs = try FileManager.default.contentsOfDirectory(atPath: root.path + "/docs")
        return ["README.md", "sidecar/README.md", "migrations/README.md"]
            + docs.filter { $0.hasSuffix(".md") || $0.hasSuffix(".1") }.map { "docs/" + $0 }.sorted()
    }

    /// The command lines in a document: whole lines of code, and what stands between backquotes.
    static func commands(in text: String, of program: String = "wvsctl ") -> [String] {
        let text = text.replacing("\\-", with: "-")
        let lines = text.split(separator: "\n").map { $0.drop { $0 == " " || $0 == "$" } }
        let quoted = text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map(\.element)
        var commands: [String] = []
        for piece in lines + quoted where piece.hasPrefix(program) {
            commands.append(String(piece.prefix { $0 != "\n" }))
        }
        return commands
    }

    /// The words of one command as a shell would hand them over, as far as documents need it: up to a pipe, a comment or a
    /// redirection; `$(…)` stands for an id.
    static func words(of command: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = command.replacing(/\$\([^)]*\)/, with: "ID")[...]
        while let character = rest.popFirst() {
            switch (character, quote) {
            case ("'", nil), ("\"", nil):
                quote = character
                word = word ?? ""
            case (let end, let open?) where end == open: quote = nil
            case (" ", nil):
                words += word.map { [$0] } ?? []
                word = nil
            case ("|", nil) where word == nil, ("#", nil) where word == nil, (">", nil), (";", nil): rest = ""
            default: word = (word ?? "") + String(character)
            }
        }
        return words + (word.map { [$0] } ?? [])
    }

    @Test func everyCommandIsOneThatIsUnderstood() throws {
        var count = 0
        for document in try Self.documents() {
            var text = try String(contentsOf: Self.root.appendingPathComponent(document), encoding: .utf8)
            // Elsewhere a manual page is markup.
            if document.hasSuffix(".1"), let examples = text.range(of: ".SH EXAMPLES") {
                text = String(text[examples.upperBound...])
            }
            for command in Self.commands(in: text) {
                let words = Array(Self.words(of: command).dropFirst())
                count += 1
                #expect(throws: Never.self, "\(document): \(command)") {
                    _ = try CommandLineParser.parse(words, commands: Commands.Command.all)
                }
            }
        }
        #expect(count > 20, "only \(count) commands were found")
    }

    /// Options of the other programs, as the configuration reference has them: `## wvs-sidecar run` and what follows it.
    @Test func everyOptionOfTheOtherProgramsIsOneOfTheirs() throws {
        let reference = try String(contentsOfFile: Self.root.path + "/docs/configuration.md", encoding: .utf8)
        var sections: [String: String] = [:]
        for section in reference.components(separatedBy: "\n## ").dropFirst() {
            sections[String(section.prefix { $0 != "\n" })] = section
        }
        var count = 0
        for document in try Self.documents() where document.hasSuffix(".md") {
            let text = try String(contentsOf: Self.root.appendingPathComponent(document), encoding: .utf8)
            for command in Self.commands(in: text, of: "wvs-") {
                let words = Self.words(of: command)
                let options = words.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }
                let name = sections[words[0]] == nil ? words.prefix(2).joined(separator: " ") : words[0]
                for option in options where option != "--help" && option != "--healthcheck" {
                    count += 1
                    #expect(sections[name]?.contains("`\(option)`") == true, "\(document): \(command): \(option)")
                }
            }
        }
        #expect(count > 3, "only \(count) options were found")
    }

    @Test func everyMakeTargetAndScriptThatIsNamedIsThere() throws {
        let makefile = try String(contentsOfFile: Self.root.path + "/Makefile", encoding: .utf8)
        for document in try Self.documents() where document.hasSuffix(".md") {
            let text = try String(contentsOf: Self.root.appendingPathComponent(document), encoding: .utf8)
            for command in Self.commands(in: text, of: "make ") {
                let target = Self.words(of: command)[1].prefix { $0 != "," }
                #expect(makefile.contains("\n\(target):"), "\(document): make \(target)")
            }
            for match in text.matches(of: /scripts\/[a-z\/-]+\.(sh|py)/) {
                #expect(
                    FileManager.default.fileExists(atPath: "\(Self.root.path)/\(match.0)"), "\(document): \(match.0)")
            }
        }
    }

    @Test func theReferencesSayWhatTheCodeSays() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wvs-docs-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await TestSupport.Command.run([
            "env", "WVS_BIN=\(ProgramProcess.folder)", Self.root.path + "/scripts/reference.sh", folder.path,
        ])
        for file in ["configuration.md", "metrics.md"] {
            let made = try String(contentsOfFile: "\(folder.path)/\(file)", encoding: .utf8)
            let kept = try String(contentsOfFile: "\(Self.root.path)/docs/\(file)", encoding: .utf8)
            #expect(made == kept, "docs/\(file) is not what the code says: make generate")
        }
    }

    @Test func linesAndQuotesAreFoundAndSplitAsAShellWould() {
        let text = "Say `wvsctl top`:\n\n    wvsctl snapshot list WSID -o name | tail -n 1   # the oldest\n"
        #expect(
            Self.commands(in: text) == ["wvsctl snapshot list WSID -o name | tail -n 1   # the oldest", "wvsctl top"])
        #expect(
            Self.words(of: "wvsctl snapshot create ws-1 -m 'before the experiment' --wait # now")
                == ["wvsctl", "snapshot", "create", "ws-1", "-m", "before the experiment", "--wait"])
        #expect(
            Self.words(of: "wvsctl current set ws-1 $(wvsctl snapshot list ws-1 -o name) --wait")
                == ["wvsctl", "current", "set", "ws-1", "ID", "--wait"])
    }
}
