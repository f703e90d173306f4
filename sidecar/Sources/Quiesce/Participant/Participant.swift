package import RuntimeCore

/// The sidecar's side of the protocol for one workspace: registers, obeys requests, acknowledges, thaws.
///
/// Has no thread and waits for nothing but the agent: whoever owns it calls `step()` when `control.json` may have changed,
/// and at the latest when the returned pace says so. One process can serve many workspaces.
package final class Participant {
    /// When `step()` wants to be called again, whether or not anything seems to have changed.
    package enum Pace: Equatable, Sendable {
        /// Nothing is under way: at the idle poll interval.
        case idle
        /// At the latest after this long.
        case within(Duration)
    }

    /// Where this participant stands, for `status`, `healthcheck` and logs.
    package enum Status: Equatable, Sendable {
        case unregistered
        case running
        case frozen(epoch: UInt64)
        /// The resume was read, but the agent does not see the new `current` yet.
        case awaitingSwitch(epoch: UInt64)
    }

    /// - Parameters:
    ///   - controlDirectory: the workspace's `.wvs`; duplicated, so that the caller may close its own.
    ///   - predecessor: the id of a sidecar of this sandbox that ended without deregistering: what it had frozen is void.
    package init(
        controlDirectory: CInt, id: String, mode: Registration.Mode, agent: any FrozenAgent, predecessor: String? = nil,
        logger: Logger
    ) throws(SystemError) {
        fatalError()
    }

    /// Writes and locks the registration, removes those of the dead, and tells of a predecessor's broken freeze.
    package func register() throws(SystemError) { fatalError() }

    /// Thaws, and withdraws the registration. `deinit` does the same.
    package func deregister() { fatalError() }

    /// Reads the control file and does what it asks for.
    package func step(now: MonotonicTime = .now) -> Pace { fatalError() }

    package var status: Status { fatalError() }

    /// False while a freeze is under way that this participant was too late for: an agent must not be started in it.
    package var mayStartAgent: Bool { fatalError() }

    /// The registrations whose owners live, other than `id`: `node` steps back where there is one.
    package static func others(than id: String, controlDirectory: CInt) throws(SystemError) -> [Registration] {
        fatalError()
    }
}
