package import RuntimeCore

/// `.wvs/sidecars/<id>.json`: a sidecar that lives holds a lock on it.
package struct Registration: Equatable, Sendable {
    /// How the sidecar came to its agent.
    package enum Mode: String, CaseIterable, Sendable {
        case run, attach, scan
        /// Serves workspaces that nobody else serves; expected only where it is the only one.
        case node
    }

    /// 1 to 48 of `A-Z a-z 0-9 . _ -`, not beginning with a dot; new with each start of a sidecar.
    package var id: String
    package var mode: Mode
    package var method: FreezeMethod
    package var host: String
    package var pid: Int32
    package var startedAt: Timestamp

    package init(id: String, mode: Mode, method: FreezeMethod, host: String, pid: Int32, startedAt: Timestamp = .now) {
        self.id = id
        self.mode = mode
        self.method = method
        self.host = host
        self.pid = pid
        self.startedAt = startedAt
    }
}
