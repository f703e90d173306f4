import Freezer
import RuntimeCore

/// What the modes are told that look after somebody: `run`, `attach` and `scan`.
struct AttendSettings: Sendable {
    var workspace: String
    var pollInterval: Duration
    var stateDirectory: String
    var logLevel: Logger.Level
    var onSwitch: OnSwitch

    init(_ reader: inout SettingsReader, _ environment: [String: String], mayRestart: Bool) {
        workspace = SidecarSettings.workspace(&reader)
        pollInterval = SidecarSettings.pollInterval(&reader)
        stateDirectory = SidecarSettings.stateDirectory(&reader, environment)
        logLevel = reader.logLevel()
        let restart = mayRestart ? "restart starts it anew in the new tree" : "only run can restart"
        onSwitch = reader.value(
            "WVS_ON_SWITCH", default: "none", expected: OnSwitch.expected(mayRestart: mayRestart),
            help: "what the agent gets after a rollback, beside a word to the log: signal is SIGHUP; \(restart)",
            placeholder: .none
        ) { OnSwitch($0).flatMap { mayRestart || $0 != .restart ? $0 : nil } }
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
            "how often the control file is read when nothing is under way; at most every 5s where inotify is proved to "
                + "work")
    }

    static func stateDirectory(_ reader: inout SettingsReader, _ environment: [String: String]) -> String {
        reader.string(
            "WVS_STATE_DIR", default: StateFile.defaultDirectory(environment), origin: StateFile.defaultDirectoryOrigin,
            expected: "a folder",
            "where a sidecar notes what a successor would have to thaw, and what status shows")
    }

    /// An agent stands still while the sidecar speaks: whoever does not read the log must hold up neither.
    static func logger(_ level: Logger.Level) -> Logger { Logger(level: level, mayWait: false) }
}

/// How an agent is stopped.
enum FreezerChoice: String, CaseIterable, Sendable {
    case auto, cgroup2, cgroup1, sigstop

    /// The kinds of cgroup to try, best first.
    var cgroupVersions: [CgroupVersion] {
        switch self {
        case .auto: [.v2, .v1]
        case .cgroup2: [.v2]
        case .cgroup1: [.v1]
        case .sigstop: []
        }
    }
}
