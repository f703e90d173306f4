/// Waits until `condition` holds, looking every few milliseconds; throws if it does not within `limit`.
package func eventually(
    _ what: String, within limit: Duration = .seconds(10), isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NeverHappened(what: what) }
        try await Task.sleep(for: .milliseconds(5))
    }
}

package struct NeverHappened: Error, CustomStringConvertible {
    let what: String
    package var description: String { "waited in vain: \(what)" }
}
