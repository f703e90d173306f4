private import Glibc
import Model
import RuntimeCore

/// The whole of wvsctl but for its entry point.
package enum Wvsctl {
    /// Runs one command line.
    ///
    /// - Parameter arguments: without the program's name.
    /// - Returns: the exit status.
    package static func run(arguments: [String], environment: [String: String]) -> Int32 {
        do {
            if arguments.first == Completion.query {
                Completion.answer(Array(arguments.dropFirst()), environment: environment)
                return 0
            }
            switch try CommandLineParser.parse(arguments, commands: Command.all) {
            case .help(let text): print(text)
            case .run(let command, let positionals, let values):
                try command.run(invocation(positionals, values, environment))
            }
            try deliver()
            return 0
        } catch {
            var text = "wvsctl: \(error.message)\n"
            if let hint = error.hint { text += "  try: \(hint)\n" }
            writeToStandardError(text)
            return error.status.rawValue
        }
    }

    /// Who does not get all that was printed is not to take it for the whole.
    private static func deliver() throws(CommandError) {
        do {
            try flushStandardOutput()
        } catch {
            throw CommandError(.failed, String(describing: error))
        }
    }

    private static func invocation(
        _ positionals: [String: String], _ values: [String: String], _ environment: [String: String]
    ) throws(CommandError) -> Invocation {
        for (argument, wsid) in [("WSID", positionals["WSID"]), ("--wsid", values["--wsid"])] {
            if let wsid, !WorkspaceID.isValid(wsid) {
                throw CommandError(
                    .usage, "\(argument): '\(oneLine(wsid))' is no workspace's name: \(WorkspaceID.rule)")
            }
        }
        let color: Terminal.ColorMode = try choice("--color", values["--color"], default: .auto)
        let form: Output.Form =
            values["--json"] != nil ? .json : try choice("--output", values["--output"], default: .table)
        let terminal = Terminal(color: color, environment: environment)
        return Invocation(
            output: Output(form: form, terminal: terminal, isVerbose: values["--verbose"] != nil),
            environment: environment, positionals: positionals, values: values)
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ option: String, _ text: String?, default fallback: Choice
    ) throws(CommandError) -> Choice where Choice.RawValue == String {
        guard let text else { return fallback }
        guard let choice = Choice(rawValue: text) else {
            let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandError(.usage, "\(option): '\(text)' is not one of \(allowed)")
        }
        return choice
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, so that no argument can reach another route.
func pathSegment(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            encoded.unicodeScalars.append(Unicode.Scalar(byte))
        default: encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
    return encoded
}
