import Migrations
import Postgres
import RuntimeCore
import TestSupport
import Testing

/// `wvs-migrate` as a process.
@Suite struct ProgramTests {
    private static func run(_ arguments: [String], dsn: String? = nil) async throws -> (status: Int32, output: String) {
        var environment = ["WVS_MIGRATIONS": TestDatabase.migrationsFolder]
        environment["WVS_DB_DSN"] = dsn
        let program = try ProgramProcess("wvs-migrate", arguments: arguments, environment: environment)
        return (try await program.ended(), program.tail)
    }

    @Test func itMigratesAndSaysWhere() async throws {
        let dsn = try await TestDatabase.makeEmpty().dsn
        #expect(try await ProgramTests.run(["version"], dsn: dsn).output.contains("none"))
        #expect(try await ProgramTests.run(["up"], dsn: dsn).status == 0)
        #expect(try await ProgramTests.run(["version", "--db-dsn", dsn]).output.contains("\(SchemaVersion.expected)"))
        #expect(try await ProgramTests.run(["down", "1"], dsn: dsn).status == 0)
        #expect(try await ProgramTests.run(["force", "-1"], dsn: dsn).status == 0)
        // The tables are there, the record is not: nothing that it could mend by itself.
        #expect(try await ProgramTests.run(["up"], dsn: dsn).status == 1)
    }

    @Test(arguments: [
        [], ["sideways"], ["down"], ["down", "0"], ["down", "all"], ["force"], ["force", "-2"], ["up", "up"],
        ["--nonsense"],
        ["up", "--db-dsn"],
    ])
    func aWrongCallEndsWithStatus2(arguments: [String]) async throws {
        let (status, output) = try await ProgramTests.run(arguments, dsn: "host=/nonexistent")
        #expect(status == 2)
        #expect(output.contains("wvs-migrate --help"))
    }

    @Test func aMissingOrMalformedDatabaseIsAWrongCallAndNotRepeated() async throws {
        #expect(try await ProgramTests.run(["up"]).status == 2)
        let (status, output) = try await ProgramTests.run(["up"], dsn: "postgres://me:hunter2@[")
        #expect(status == 2)
        #expect(output.contains("WVS_DB_DSN"))
        #expect(!output.contains("hunter2"))
    }

    @Test func anUnreachableDatabaseIsAFailure() async throws {
        let (status, output) = try await ProgramTests.run(["up"], dsn: "host=/nonexistent password=hunter2")
        #expect(status == 1)
        #expect(output.contains("No such file or directory"))
        #expect(!output.contains("hunter2"))
    }

    @Test(arguments: ["--help", "--version"]) func itExplainsItself(flag: String) async throws {
        #expect(try await ProgramTests.run([flag]).status == 0)
    }
}
