import RuntimeCore

extension Command {
    static let version = Command("version", "", "say which wvsctl this is", positionals: [], example: "version") {
        invocation throws(CommandError) in
        switch invocation.output.form {
        case .table, .wide, .name: print("wvsctl \(Version.current)")
        case .json, .jsonl, .yaml:
            invocation.output.show(["version": .string(Version.current)], View(name: "version", columns: []))
        }
    }
}
