import Testing

@testable import Commands

@Suite struct CommandLineParserTests {
    private func parse(_ line: String) throws(CommandError) -> ParsedLine {
        try CommandLineParser.parse(line.split(separator: " ").map(String.init), commands: Command.all)
    }

    @Test func optionsMayStandAnywhereAfterTheVerb() throws {
        for line in [
            "snapshot create ws-1 -m note --wait", "snapshot create --wait --message=note ws-1",
            "snapshot create --message note ws-1 --wait",
        ] {
            guard case .run(let command, let positionals, let values) = try parse(line) else {
                Issue.record("\(line) is no command")
                continue
            }
            #expect(command.noun == "snapshot" && command.verb == "create")
            #expect(positionals == ["WSID": "ws-1"])
            #expect(values == ["--message": "note", "--wait": ""])
        }
    }

    @Test(arguments: [
        (
            "frobnicate",
            "unknown command 'frobnicate'; there are workspace, snapshot, current, task, audit, obs, context, top, completion, version"
        ),
        ("snapshot frobnicate", "unknown command 'snapshot frobnicate'; snapshot can create, get, list, drop"),
        ("snapshot get ws-1", "SNAPSHOT_ID is missing"), ("workspace get a b", "unexpected argument 'b'"),
        ("workspace get ws-1 --what", "unknown option --what"),
        ("snapshot create ws-1 --message", "--message: a value is missing"),
        ("snapshot create ws-1 --wait=yes", "--wait takes no value"),
        ("-o json workspace list", "option -o stands before the command; options go after it"),
    ])
    func whatIsWrongIsSaid(line: String, problem: String) {
        let error = #expect(throws: CommandError.self) { try parse(line) }
        #expect(error?.message == problem)
        #expect(error?.status == .usage)
    }

    @Test func nothingIsAnOptionAfterTwoDashes() throws {
        guard case .run(_, let positionals, let values) = try parse("workspace get --json -- ws-1") else {
            Issue.record("no command")
            return
        }
        #expect(positionals == ["WSID": "ws-1"] && values == ["--json": ""])
        guard case .run(_, let odd, _) = try parse("workspace get -- --what"), odd["WSID"] == "--what" else {
            Issue.record("what stands after -- is no argument")
            return
        }
    }

    @Test func everyCommandExplainsItself() throws {
        for command in Command.all {
            guard case .help(let text) = try parse("\(command.name) --help") else {
                Issue.record("\(command.name) has no help")
                continue
            }
            #expect(text.contains("usage: wvsctl \(command.name)"))
            for option in command.options { #expect(text.contains(option.help)) }
            // What it teaches must be a command line that it takes.
            guard case .run(let taught, _, _) = try parse(command.example.replacing("'", with: "").oneWordMessage)
            else {
                Issue.record("'\(command.example)' is no command")
                continue
            }
            #expect(taught.noun == command.noun && taught.verb == command.verb)
        }
    }

    @Test(arguments: [("ws-1", "ws-1"), ("a/b", "a%2Fb"), ("..", ".."), ("ü?&#%", "%C3%BC%3F%26%23%25"), ("\n", "%0A")])
    func anArgumentStaysOneSegmentOfThePath(text: String, segment: String) { #expect(pathSegment(text) == segment) }

    @Test func columnsAreAsWideAsTheirWidestCell() {
        var table = Table(["ID", "MESSAGE"])
        table.add(["1234", "a"])
        table.add(["1", "longer"])
        #expect(table.text(Terminal(color: .never, environment: [:])) == "ID    MESSAGE\n1234  a\n1     longer")
    }

    @Test func colorsAreOffWhereNoColorIsSetAndNobodyInsists() {
        #expect(Terminal(color: .auto, environment: ["NO_COLOR": "1"]).paint("x", .red) == "x")
        #expect(Terminal(color: .always, environment: ["NO_COLOR": "1"]).paint("x", .red) == "\u{1b}[31mx\u{1b}[0m")
    }
}

extension String {
    /// A quoted message of several words is one argument to a shell.
    fileprivate var oneWordMessage: String { replacing("before the experiment", with: "note") }
}
