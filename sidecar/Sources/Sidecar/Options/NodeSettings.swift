import RuntimeCore

/// What `wvs-sidecar node` is told.
struct NodeSettings {
    var root: String
    var pollInterval: Duration
    var stateDirectory: String
    var logLevel: Logger.Level

    /// - Parameter arguments: those after `node`.
    static func parse(_ arguments: [String], environment: [String: String]) throws(SettingsError) -> NodeSettings {
        var reader = SettingsReader(
            program: "wvs-sidecar node",
            summary:
                "Answers for all workspaces below a folder that no other sidecar serves, as long as nobody uses them.",
            environment: environment, arguments: arguments)
        let settings = NodeSettings(
            root: reader.string(
                "WVS_ROOT", expected: "a folder, such as /mnt/ws", "the folder that holds the workspaces, <mount>"),
            pollInterval: SidecarSettings.pollInterval(&reader),
            stateDirectory: SidecarSettings.stateDirectory(&reader, environment), logLevel: reader.logLevel())
        try reader.finish()
        return settings
    }
}
