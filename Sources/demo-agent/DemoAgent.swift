import FakeAgent
import Glibc
import RuntimeCore

private let usage = """
    An agent to try WVS with: it keeps an invariant across many files, and can tell whether a copy of them is torn.

    usage:
      demo-agent run --workspace DIR [--name NAME] [--threads N] [--cells N] [--pause DURATION] [--ticker FILE] [--children]
                     [--stay]
      demo-agent step --workspace DIR --ledger NAME [--cells N]
      demo-agent verify DIR
      demo-agent healthcheck --workspace DIR

    run     writes below DIR/current until killed
      --name      tells the ledgers of several processes apart [a]
      --threads   writers, a ledger each [1]
      --cells     files that one step of a ledger touches [16]
      --pause     between two steps, such as 1ms; 0ms works as fast as it can [1ms]
      --ticker    appends each pause of the whole process above 2 ms: end and length in microseconds
      --children  one more ledger, each of its steps written by a new short-lived process
      --stay      works on in the tree in which it began, also when current moves (not the children)
    step    writes one step of a ledger below DIR/current
    verify  checks all ledgers in DIR: exit status 0 consistent, 1 torn
    healthcheck  waits for a step of any ledger below DIR/current: exit status 0 as soon as one is seen, 1 after 12 s
    WVS_WORKSPACE stands in for --workspace.
    """

@main
enum DemoAgent {
    static func main() {
        do {
            try run(CommandLine.arguments.dropFirst())
        } catch let error as UsageError {
            writeToStandardError("demo-agent: \(error.message); see demo-agent --help\n")
            exit(2)
        } catch {
            writeToStandardError("demo-agent: \(error)\n")
            exit(1)
        }
    }

    private static func run(_ arguments: ArraySlice<String>) throws {
        let verb = arguments.first ?? "--help"
        if ["--help", "-h", "help"].contains(verb) { return print(usage) }
        if verb == "--version" { return print("demo-agent \(Version.current)") }
        let parsed = try Arguments(arguments.dropFirst())
        switch verb {
        case "run":
            try parsed.require("--workspace", parsed.options.workspace)
            try Agent(parsed.options).run()
        case "step":
            try parsed.require("--workspace", parsed.options.workspace)
            try parsed.require("--ledger", parsed.ledger)
            try Agent(parsed.options).writeOnce(ledger: parsed.ledger)
        case "verify":
            try parsed.require("the folder", parsed.folder)
            let report = try LedgerCheck.run(root: parsed.folder)
            report.problems.forEach { print($0) }
            print(
                "\(report.ledgers) ledgers, \(report.steps) steps, \(report.problems.isEmpty ? "consistent" : "TORN")")
            exit(report.problems.isEmpty ? 0 : 1)
        case "healthcheck":
            try parsed.require("--workspace", parsed.options.workspace)
            let works = try LedgerWatch.seesStep(in: parsed.options.workspace)
            print(works ? "healthy: steps are taken" : "unhealthy: no step in \(LedgerWatch.patience.text)")
            exit(works ? 0 : 1)
        default: throw UsageError(message: "unknown command '\(verb)'")
        }
    }
}

private struct UsageError: Error {
    let message: String
}

private struct Arguments {
    private(set) var options = Agent.Options(workspace: getenv("WVS_WORKSPACE").map { String(cString: $0) } ?? "")
    private(set) var ledger = ""
    private(set) var folder = ""
    private var rest: ArraySlice<String>

    init(_ arguments: ArraySlice<String>) throws {
        rest = arguments
        options.program = CommandLine.arguments[0]
        while let argument = rest.popFirst() {
            switch argument {
            case "--workspace": options.workspace = try value(of: argument)
            case "--name": options.name = try value(of: argument)
            case "--threads": options.threads = try number(of: argument)
            case "--cells": options.cells = try number(of: argument)
            case "--ticker": options.ticker = try value(of: argument)
            case "--children": options.children = true
            case "--stay": options.stays = true
            case "--ledger": ledger = try value(of: argument)
            case "--pause":
                guard let pause = Duration(text: try value(of: argument)) else {
                    throw UsageError(message: "--pause: expected a duration such as 1ms")
                }
                options.pause = pause
            case _ where !argument.hasPrefix("-") && folder.isEmpty: folder = argument
            default: throw UsageError(message: "unexpected argument '\(argument)'")
            }
        }
    }

    func require(_ what: String, _ value: String) throws {
        if value.isEmpty { throw UsageError(message: "\(what) is missing") }
    }

    private mutating func value(of flag: String) throws -> String {
        guard let value = rest.popFirst() else { throw UsageError(message: "\(flag): a value is missing") }
        return value
    }

    private mutating func number(of flag: String) throws -> Int {
        guard let number = Int(try value(of: flag)), (0...10_000).contains(number) else {
            throw UsageError(message: "\(flag): expected a whole number, 0 to 10000")
        }
        return number
    }
}
