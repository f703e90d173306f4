import RuntimeCore

/// What `wvs-sidecar run` is told.
struct RunSettings: Sendable {
    var attend: AttendSettings
    var freezer: FreezerChoice
    var linger: Bool
    /// Between SIGTERM and SIGKILL, where the agent is restarted.
    var restartGrace: Duration
    var user: ChildProcess.User
    var command: [String]

    /// - Parameter arguments: those after `run`.
    static func parse(_ arguments: [String], environment: [String: String]) throws(SettingsError) -> RunSettings {
        let parts = arguments.split(separator: "--", maxSplits: 1, omittingEmptySubsequences: false)
        var reader = SettingsReader(
            program: "wvs-sidecar run",
            summary:
                "Starts an agent in its workspace, and freezes, flushes and thaws it whenever a snapshot is taken.",
            environment: environment, arguments: Array(parts.first ?? []), operands: "-- CMD [ARG]...",
            switches: ["--linger"])
        let command = parts.count == 2 ? Array(parts[1]) : []
        let settings = RunSettings(
            attend: AttendSettings(&reader, environment, mayRestart: true),
            freezer: reader.choice(
                "WVS_FREEZER", default: .auto,
                "how the agent is stopped; auto takes the first that the machine offers, and sigstop is best effort"),
            linger: reader.flag("WVS_LINGER", "keep answering after the agent has ended, until SIGTERM"),
            restartGrace: reader.duration(
                "WVS_RESTART_GRACE", default: "10s",
                "how long an agent that is restarted has between SIGTERM and SIGKILL"),
            user: reader.value(
                "WVS_USER", default: "", expected: "UID or UID:GID, in numbers; GID is UID where it is missing",
                help: "the user that the agent runs as; none for the sidecar's own", placeholder: .own, parse: user),
            command: command)
        reader.require(!command.isEmpty, "nothing to run: give the agent's command after --")
        try reader.finish()
        return settings
    }

    private static func user(_ text: String) -> ChildProcess.User? {
        if text.isEmpty { return .own }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        // The last number means "unchanged" to setresuid(2).
        guard parts.count <= 2, let uid = UInt32(parts[0]), uid != .max,
            let gid = parts.count == 2 ? UInt32(parts[1]) : uid, gid != .max
        else { return nil }
        return .other(uid: uid, gid: gid)
    }
}
