package import Postgres
import Runtime
import RuntimeCore

/// Keeps a program from working on a schema that it was not made for.
///
/// Call `check()` before anything is served. Where the database cannot be asked at that moment, the program starts all the same,
/// and `run()` ends it if the database turns out to be at another version.
package final class SchemaGuard: Service {
    package let name = "schema guard"
    private static let pause = Duration.milliseconds(500)

    private let pool: PostgresPool
    private let state = Mutex((hasPassed: false, isStopping: false))
    private let stopping = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    package init(_ pool: PostgresPool) { self.pool = pool }

    package var hasPassed: Bool { state.withLock { $0.hasPassed } }

    /// The schema is another than this program's.
    package struct Mismatch: Error, CustomStringConvertible {
        let status: SchemaVersion.Status
        package var description: String { status.description }
    }

    /// Whether the database is at the version that is needed; false while it is out of reach.
    @discardableResult
    package func check() async throws -> Bool {
        do {
            let status = try await SchemaVersion.status(of: pool)
            guard status == .current else { throw Mismatch(status: status) }
        } catch let error as PostgresError where error.isUnavailable || error.code == .canceled {
            return false
        }
        state.withLock { $0.hasPassed = true }
        return true
    }

    /// Returns once the schema is known to be right, or the program is to end.
    package func passed() async throws {
        while !state.withLock({ $0.hasPassed || $0.isStopping }), !Task.isCancelled {
            if try await check() { return }
            do { try await Task.sleep(for: SchemaGuard.pause) } catch { return }
        }
    }

    package func run() async throws {
        try await passed()
        await withTaskCancellationHandler {
            for await _ in stopping.stream {}
        } onCancel: {
            shutdown()
        }
    }

    package func shutdown() {
        state.withLock { $0.isStopping = true }
        stopping.continuation.finish()
    }
}
