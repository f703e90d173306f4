import RuntimeCore
import Testing

@Suite struct SettingsReaderTests {
    private func reader(_ environment: [String: String] = [:], _ arguments: [String] = []) -> SettingsReader {
        SettingsReader(program: "wvs-x", summary: "Does x.", environment: environment, arguments: arguments)
    }

    @Test func aFlagGoesBeforeTheVariableAndThatBeforeTheDefault() throws {
        var reader = reader(
            ["EXECUTOR_TASK_TIMEOUT": "1s", "WORKER_LEASE": "2s"], ["--task-timeout", "3s", "--width=7"])
        #expect(reader.duration("EXECUTOR_TASK_TIMEOUT", default: "4s", "") == .seconds(3))
        #expect(reader.duration("WORKER_LEASE", default: "4s", "") == .seconds(2))
        #expect(reader.duration("WVS_OTHER", default: "4s", "") == .seconds(4))
        #expect(reader.integer("WVS_WIDTH", default: 1, in: 1...9, "") == 7)
        try reader.finish()
    }

    @Test func everyProblemIsToldAtOnceWithoutTheValue() throws {
        var reader = reader(["WVS_DB_POOL": "secret", "WVS_LOG_LEVEL": "loud"], ["--no-such", "1"])
        _ = reader.string("WVS_DB_DSN", expected: "a connection string", "")
        _ = reader.integer("WVS_DB_POOL", default: 8, in: 1...100, "")
        _ = reader.logLevel()
        let error = #expect(throws: SettingsError.self) { try reader.finish() }
        guard case .invalid(let text) = error else {
            Issue.record("unexpected \(String(describing: error))")
            return
        }
        #expect(text.split(separator: "\n").count == 4)
        #expect(text.contains("WVS_DB_DSN (--db-dsn) is required"))
        #expect(text.contains("WVS_DB_POOL (--db-pool) is malformed: expected a whole number, 1 to 100"))
        #expect(text.contains("debug, info, warn, error"))
        #expect(text.contains("unknown flag --no-such"))
        #expect(!text.contains("secret"))
    }

    @Test func anEmptyVariableCountsAsUnset() throws {
        var reader = reader(["WVS_LISTEN_ADDR": ""])
        #expect(reader.address("WVS_LISTEN_ADDR", default: "127.0.0.1:1", "").port == 1)
        try reader.finish()
    }

    /// What `finish` refuses.
    private func problems(_ reader: inout SettingsReader) -> String {
        let error = #expect(throws: SettingsError.self) { try reader.finish() }
        guard case .invalid(let text) = error else { return "" }
        return text
    }

    @Test(arguments: [["--workspace"], ["--workspace", ""], ["--workspace="]])
    func aFlagWithoutAValueIsToldOnceWithWhatIsExpected(arguments: [String]) {
        var reader = reader(["WVS_WORKSPACE": "/from/elsewhere"], arguments)
        _ = reader.string("WVS_WORKSPACE", expected: "a folder", "")
        #expect(problems(&reader) == "wvs-x: --workspace: a value is missing: a folder")
    }

    @Test(arguments: [["--no-such"], ["--no-such", ""], ["--no-such=1"]])
    func aFlagThatThereIsNotIsCalledUnknownWhateverItsValue(arguments: [String]) {
        var reader = reader([:], arguments)
        #expect(problems(&reader) == "wvs-x: unknown flag --no-such; see wvs-x --help")
    }

    @Test func aWordThatIsNoFlagIsToldWhatMayFollowThem() {
        var reader = SettingsReader(
            program: "wvs-x", summary: "", environment: [:], arguments: ["sleep"], operands: "-- CMD [ARG]...")
        #expect(problems(&reader).contains("settings are --flag VALUE, then -- CMD [ARG]..., see --help"))
    }

    @Test func aDurationOfZeroIsRefused() {
        var reader = reader(["WORKER_LEASE": "0s"])
        _ = reader.duration("WORKER_LEASE", default: "15s", "")
        #expect(throws: SettingsError.self) { try reader.finish() }
    }

    @Test func helpListsEverySettingEvenWhereOneIsMissing() {
        var reader = reader([:], ["--help"])
        _ = reader.string("WVS_DB_DSN", expected: "a connection string", "the database")
        let error = #expect(throws: SettingsError.self) { try reader.finish() }
        guard case .information(let text) = error else {
            Issue.record("unexpected \(String(describing: error))")
            return
        }
        #expect(text.contains("--db-dsn (WVS_DB_DSN)"))
        #expect(text.contains("a connection string [required]"))
        #expect(!text.contains("--healthcheck"), "only where there is one")
    }

    @Test func theReferenceIsTheSameOnEveryMachine() {
        var reader = reader([:], ["--help=markdown"])
        _ = reader.string(
            "WVS_ID", default: "vm-17", origin: "the machine's name", expected: "a|b", "<mount>, or another")
        let error = #expect(throws: SettingsError.self) { try reader.finish() }
        guard case .information(let text) = error else {
            Issue.record("unexpected \(String(describing: error))")
            return
        }
        #expect(
            text.hasSuffix("| `WVS_ID`<br>`--id` | &lt;mount>, or another | a\\|b | the machine's name |\n"), "\(text)")
    }
}
