import RuntimeCore

/// What `wvs-sidecar status` and `wvs-sidecar healthcheck` are told.
struct ProbeSettings: Sendable {
    /// Nil for all that have a state file.
    var workspace: String?
    var stateDirectory: String
    /// Of `status`.
    var asJSON: Bool
    /// Of `healthcheck`: how long a sidecar with a request to answer may do nothing.
    var patience: Duration

    static func status(_ arguments: [String], environment: [String: String]) throws(SettingsError) -> ProbeSettings {
        var reader = SettingsReader(
            program: "wvs-sidecar status",
            summary: "Shows who looks after a workspace, what the executor asks for, and what dead sidecars have left.",
            environment: environment, arguments: arguments, switches: ["--json"])
        let settings = ProbeSettings(
            workspace: workspace(&reader), stateDirectory: SidecarSettings.stateDirectory(&reader, environment),
            asJSON: reader.flag("WVS_JSON", "print one JSON object instead of text"), patience: .zero)
        try reader.finish()
        return settings
    }

    static func healthcheck(_ arguments: [String], environment: [String: String]) throws(SettingsError)
        -> ProbeSettings
    {
        var reader = SettingsReader(
            program: "wvs-sidecar healthcheck",
            summary: "Exits with 0 where this machine's sidecar of a workspace works, else with 1, and says why.",
            environment: environment, arguments: arguments)
        let settings = ProbeSettings(
            workspace: workspace(&reader), stateDirectory: SidecarSettings.stateDirectory(&reader, environment),
            asJSON: false,
            patience: reader.duration(
                "WVS_PATIENCE", default: "500ms",
                "how long a sidecar that has a request to answer may do nothing before it counts as stuck"))
        try reader.finish()
        return settings
    }

    private static func workspace(_ reader: inout SettingsReader) -> String? {
        let path = reader.string(
            "WVS_WORKSPACE", default: "", expected: "a folder, such as /mnt/ws/agent-1",
            "the workspace's folder, <mount>/<wsid>; all of this machine's sidecars where it is not given")
        return path.isEmpty ? nil : path
    }
}
