package import RuntimeCore

/// What `wvs-sidecar run` is told.
package struct RunSettings: Sendable {
    package enum FreezerChoice: String, CaseIterable, Sendable {
        case auto, cgroup2, sigstop
    }

    package var workspace: String
    package var freezer: FreezerChoice
    package var pollInterval: Duration
    package var linger: Bool
    package var stateDirectory: String
    package var logLevel: Logger.Level
    var user: ChildProcess.User
    package var command: [String]

    /// - Parameter arguments: those after `run`.
    package static func parse(_ arguments: [String], environment: [String: String]) throws(SettingsError) -> RunSettings
    {
        let parts = arguments.split(separator: "--", maxSplits: 1, omittingEmptySubsequences: false)
        var reader = SettingsReader(
            program: "wvs-sidecar run",
            summary:
                "Starts an agent in its workspace, and freezes, flushes and thaws it whenever a snapshot is taken.",
            environment: environment, arguments: Array(parts.first ?? []), operands: "-- CMD [ARG]...",
            switches: ["--linger"])
        let command = parts.count == 2 ? Array(parts[1]) : []
        let settings = RunSettings(
            workspace: SidecarSettings.workspace(&reader),
            freezer: reader.choice(
                "WVS_FREEZER", default: .auto,
                "how the agent is stopped; auto takes cgroup2 where the machine offers it, and sigstop is best effort"),
            pollInterval: SidecarSettings.pollInterval(&reader),
            linger: reader.flag("WVS_LINGER", "keep answering after the agent has ended, until SIGTERM"),
            stateDirectory: SidecarSettings.stateDirectory(&reader, environment),
            logLevel: reader.logLevel(),
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

/// Settings that several modes share.
enum SidecarSettings {
    static func workspace(_ reader: inout SettingsReader) -> String {
        reader.string(
            "WVS_WORKSPACE", expected: "a folder, such as /mnt/ws/agent-1",
            "the workspace's folder, <mount>/<wsid>; waited for if it is not there yet")
    }

    static func pollInterval(_ reader: inout SettingsReader) -> Duration {
        reader.duration(
            "WVS_POLL_INTERVAL", default: "250ms",
            "how often the control file is read when nothing is under way; on local file systems with inotify, never")
    }

    static func stateDirectory(_ reader: inout SettingsReader, _ environment: [String: String]) -> String {
        reader.string(
            "WVS_STATE_DIR", default: StateFile.defaultDirectory(environment), expected: "a folder",
            "where a sidecar notes what a successor would have to thaw")
    }
}
