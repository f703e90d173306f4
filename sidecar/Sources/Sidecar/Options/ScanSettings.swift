import RuntimeCore

/// What `wvs-sidecar scan` is told.
enum ScanSettings {
    /// - Parameter arguments: those after `scan`.
    static func parse(_ arguments: [String], environment: [String: String]) throws(SettingsError) -> AttendSettings {
        var reader = SettingsReader(
            program: "wvs-sidecar scan",
            summary: """
                Freezes whoever works in a workspace: every process of this PID namespace with its working directory, root, \
                an open file or a mapping below the live trees. By SIGSTOP, best effort.
                """,
            environment: environment, arguments: arguments)
        let settings = AttendSettings(&reader, environment, mayRestart: false)
        try reader.finish()
        return settings
    }
}
