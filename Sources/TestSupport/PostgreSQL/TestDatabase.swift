import Migrations
import Postgres
private import Runtime
import RuntimeCore

/// A database of its own for a test, with the schema in place. All are on one private server for each run, which goes, with
/// them, when the process ends.
package struct TestDatabase: Sendable {
    package let name: String
    package let dsn: String

    /// A database with all migrations applied.
    ///
    /// It lives as long as the process; `with` drops it earlier.
    package static func make() async throws -> TestDatabase {
        try await SharedServer.instance.makeDatabase(from: "wvs_template")
    }

    /// A database with nothing in it.
    package static func makeEmpty() async throws -> TestDatabase {
        try await SharedServer.instance.makeDatabase(from: "template0")
    }

    /// Lends a database with all migrations applied and drops it afterwards.
    package static func with<Result>(_ body: (TestDatabase) async throws -> Result) async throws -> Result {
        let database = try await make()
        let result: Result
        do {
            result = try await body(database)
        } catch {
            try await SharedServer.instance.drop(database)
            throw error
        }
        try await SharedServer.instance.drop(database)
        return result
    }

    /// The migrations of the source tree.
    package static var migrationsFolder: String {
        // …/Sources/TestSupport/PostgreSQL/TestDatabase.swift
        "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/migrations"
    }
}

private actor SharedServer {
    static let instance = SharedServer()

    private var starting: Task<TestServer, any Error>?
    private var count = 0

    func makeDatabase(from template: String) async throws -> TestDatabase {
        let server = try await server()
        count += 1
        let name = "test_\(count)"
        try await SharedServer.administer(server) { connection in
            try connection.script("CREATE DATABASE \(name) TEMPLATE \(template)")
        }
        return TestDatabase(name: name, dsn: server.dsn(database: name))
    }

    func drop(_ database: TestDatabase) async throws {
        let server = try await server()
        try await SharedServer.administer(server) { connection in
            try connection.script("DROP DATABASE \(database.name) WITH (FORCE)")
        }
    }

    private func server() async throws -> TestServer {
        let task = starting ?? Task { try await SharedServer.startWithTemplate() }
        starting = task
        return try await task.value
    }

    private static func startWithTemplate() async throws -> TestServer {
        let server = try await TestServer.start()
        try await administer(server) { connection in try connection.script("CREATE DATABASE wvs_template") }
        let logger = Logger(level: .warn)
        let pool = PostgresPool(dsn: server.dsn(database: "wvs_template"), size: 1, logger: logger)
        let migrations = try Migration.load(from: TestDatabase.migrationsFolder)
        try await Migrator(pool: pool, migrations: migrations, logger: logger).up()
        await pool.close()
        return server
    }

    /// On a connection that ends afterwards: a template must be nobody's.
    private static func administer(
        _ server: TestServer, _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Void
    ) async throws {
        let pool = PostgresPool(dsn: server.dsn(), size: 1, applicationName: "tests", logger: Logger(level: .warn))
        try await pool.withConnection(body)
        await pool.close()
    }
}
