import Postgres
import RuntimeCore

/// The outside of `wvs-migrate`: arguments, environment, exit status.
package enum MigrateProgram {
    /// Answers the exit status.
    package static func run(arguments: [String], environment: [String: String]) async -> Int32 {
        if arguments.contains("--help") || arguments.contains("-h") {
            print(MigrateCommand.usage)
            return 0
        }
        if arguments.contains("--version") {
            print("wvs-migrate \(Version.current)")
            return 0
        }
        var settings = [
            "--db-dsn": environment["WVS_DB_DSN"] ?? "", "--migrations": environment["WVS_MIGRATIONS"] ?? "",
        ]
        var words: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if settings[parts[0]] != nil {
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                    return refuse("\(parts[0]): a value is missing")
                }
                settings[parts[0]] = value
            } else {
                words.append(argument)
            }
        }
        guard let command = MigrateCommand(words) else {
            let problem = words.isEmpty ? "a command is missing" : "'\(words.joined(separator: " "))' is no command"
            return refuse("\(problem): there are up, down N from 1, version, and force V from -1")
        }
        guard let dsn = settings["--db-dsn"], !dsn.isEmpty else { return refuse("WVS_DB_DSN (--db-dsn) is required") }
        guard ConnectionSettings.isReadable(dsn: dsn) else {
            return refuse("WVS_DB_DSN (--db-dsn) is malformed: expected postgres://… or key=value")
        }
        let folder = settings["--migrations"].flatMap { $0.isEmpty ? nil : $0 } ?? "./migrations"
        do {
            print(try await command.run(dsn: dsn, folder: folder, logger: Logger(level: .info)))
            try flushStandardOutput()
            return 0
        } catch {
            writeToStandardError("wvs-migrate: \(error)\n")
            return 1
        }
    }

    private static func refuse(_ problem: String) -> Int32 {
        writeToStandardError("wvs-migrate: \(problem); see wvs-migrate --help\n")
        return 2
    }
}
