import Freezer
private import Glibc
import RuntimeCore

/// What `wvs-sidecar attach` is told.
struct AttachSettings: Sendable {
    enum Target: Equatable, Sendable {
        /// A folder of a cgroup hierarchy.
        case cgroup(String)
        case pid(ProcessID)
        /// The file's process, and the next one when that has ended.
        case pidfile(String)
    }

    var attend: AttendSettings
    var freezer: FreezerChoice
    var target: Target

    /// - Parameter arguments: those after `attach`.
    static func parse(_ arguments: [String], environment: [String: String]) throws(SettingsError) -> AttachSettings {
        var reader = SettingsReader(
            program: "wvs-sidecar attach",
            summary: "Looks after an agent that somebody else has started: a cgroup, or a process and its descendants.",
            environment: environment, arguments: arguments)
        let attend = AttendSettings(&reader, environment, mayRestart: false)
        let freezer: FreezerChoice = reader.choice(
            "WVS_FREEZER", default: .auto,
            "how the agent is stopped; auto freezes a process's cgroup where nobody else is in it, else by sigstop")
        let cgroup = reader.string(
            "WVS_CGROUP", default: "", expected: "a folder, such as /sys/fs/cgroup/agent",
            "an existing cgroup, of either version, to freeze")
        let pid: ProcessID? = reader.value(
            "WVS_PID", default: "", expected: "a process id above 1", help: "a process, frozen with its descendants",
            placeholder: nil
        ) { text in
            if text.isEmpty { return .some(nil) }
            return ProcessID(text).flatMap { $0 > 1 ? .some($0) : nil }
        }
        let pidfile = reader.string(
            "WVS_PIDFILE", default: "", expected: "a file",
            "a file with the id of such a process; waited for, and read again when the process has ended")
        var targets: [Target] = []
        if !cgroup.isEmpty { targets.append(.cgroup(cgroup)) }
        if let pid { targets.append(.pid(pid)) }
        if !pidfile.isEmpty { targets.append(.pidfile(pidfile)) }
        reader.require(
            targets.count == 1, "give one of --cgroup, --pid and --pidfile, and only one")
        try reader.finish()
        return AttachSettings(attend: attend, freezer: freezer, target: targets.first ?? .pidfile(""))
    }
}
