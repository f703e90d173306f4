import RuntimeCore
import TestSupport
import Testing

@testable import Sidecar

/// What a person types, and what they can read about it.
@Suite struct OptionTests {
    private static let modes = ["run", "attach", "scan", "node", "status", "healthcheck"]

    @Test(
        "Wrong options are named on one line each, and the status is 2",
        arguments: [
            (["run", "--workspace", "/x"], "nothing to run"),
            (["run", "--workspace", "/x", "--poll-interval", "soon", "--", "true"], "--poll-interval"),
            (["run", "--workspace", "/x", "--freezer", "ice", "--", "true"], "one of auto, cgroup2, cgroup1, sigstop"),
            (["run", "--workspace", "/x", "--on-switch", "signal:NOPE", "--", "true"], "--on-switch"),
            (["attach", "--workspace", "/x"], "one of --cgroup, --pid and --pidfile"),
            (["attach", "--workspace", "/x", "--pid", "1"], "--pid"),
            (["attach", "--workspace", "/x", "--pid", "2", "--pidfile", "/y"], "only one"),
            (["attach", "--workspace", "/x", "--pid", "2", "--on-switch", "restart"], "--on-switch"),
            (["run", "--workspace", "", "--", "true"], "--workspace: a value is missing"),
            (["run", "--workspace", "/x", "true"], "then -- CMD [ARG]..."),
            (["scan"], "WVS_WORKSPACE"), (["node"], "WVS_ROOT"), (["status", "--workspace"], "a value is missing"),
            (["healthcheck", "--workspace", "/x", "--what"], "--what"), (["dance"], "no mode 'dance'"),
        ])
    func refuses(arguments: [String], problem: String) async throws {
        let result = try await output("wvs-sidecar", arguments)
        #expect(result.status == 2)
        #expect(result.lines.joined(separator: "\n").contains(problem))
    }

    @Test("A signal has a name with or without SIG, or a number")
    func signals() {
        #expect(OnSwitch("signal") == .signal(1))
        #expect(OnSwitch("signal:USR1") == OnSwitch("signal:SIGUSR1"))
        #expect(OnSwitch("signal:15") == .signal(15))
        #expect(OnSwitch("signal:0") == nil)
        #expect(OnSwitch("hup") == nil)
    }

    @Test("The manual page is set without a warning")
    func typesets() async throws {
        let groff = try ProgramProcess("groff", at: "/usr/bin/groff", arguments: ["-man", "-ww", "-z", Self.page])
        #expect(try await groff.ended() == 0)
        #expect(groff.lines.isEmpty, "\(groff.tail)")
    }

    private static let page =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/wvs-sidecar.8"

    @Test("The manual page and --help name the same options, variables and defaults", arguments: modes)
    func manual(mode: String) async throws {
        let page = try readText(Self.page).replacing("\\-", with: "-")
        let help = try await output("wvs-sidecar", [mode, "--help"])
        #expect(help.status == 0)
        let section = try #require(page.components(between: ".SS \(mode)\n", and: ".S"), "no section on \(mode)")
        var options = Set<String>()
        for (line, text) in zip(help.lines, help.lines.dropFirst())
        where line.hasPrefix("  --") && line.contains("(WVS_") {
            if let bracket = text.lastIndex(of: "["), !text.hasSuffix("[none]"), !text.hasSuffix("[required]") {
                let fallback = text[bracket...].dropFirst().dropLast()
                #expect(section.contains("default \(fallback)"), "the default of \(line) is not in the manual page")
            }
            let words = line.split { " ()".contains($0) }.map(String.init)
            options.insert(words[0])
            #expect(section.contains("\(words[0]) "), "\(words[0]) of \(mode) is not in the manual page")
            #expect(page.contains(words[1]), "\(words[1]) is not in the manual page")
        }
        #expect(!options.isEmpty)
        for line in section.split(separator: "\n") where line.hasPrefix(".BI --") || line.hasPrefix(".B --") {
            let option = String(line.split(separator: " ")[1])
            #expect(options.contains(option), "\(option) of \(mode) is in the manual page only")
        }
    }
}

extension String {
    /// What stands between two texts; nil where the first is missing.
    fileprivate func components(between start: String, and end: String) -> String? {
        guard let from = firstRange(of: start) else { return nil }
        let rest = self[from.upperBound...]
        return String(rest[..<(rest.firstRange(of: "\n\(end)")?.lowerBound ?? rest.endIndex)])
    }
}
