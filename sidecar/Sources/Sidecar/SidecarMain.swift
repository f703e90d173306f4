private import Glibc
import RuntimeCore

/// What `wvs-sidecar` does with its arguments.
package enum SidecarMain {
    private static let usage = """
        Freezes, flushes and thaws an AI agent, so that snapshots of its workspace are never torn.

        usage: wvs-sidecar run [--flag VALUE]... -- CMD [ARG]...   start an agent and look after it
               wvs-sidecar attach [--flag VALUE]...               look after a cgroup, or a process and its descendants
               wvs-sidecar scan [--flag VALUE]...                 look after whoever works in the workspace
               wvs-sidecar node [--flag VALUE]...                 answer for workspaces without an agent
               wvs-sidecar status [--flag VALUE]...               show what is going on in a workspace
               wvs-sidecar healthcheck [--flag VALUE]...          exit code for probes

        Each mode explains its flags: wvs-sidecar MODE --help. All of it is in wvs-sidecar(8).
          --help, --version
        """

    /// - Returns: the exit status: that of the agent; 1 for what `healthcheck` finds unhealthy; 2 for wrong settings; 127 for a
    ///   command that is not there, 126 for one that does not start, 125 when the sidecar itself failed, as with other
    ///   programs that start programs.
    package static func run(_ arguments: [String], environment: [String: String]) -> CInt {
        do {
            return try start(arguments.first ?? "", Array(arguments.dropFirst()), environment)
        } catch SettingsError.information(let text) {
            print(text)
            return 0
        } catch SettingsError.invalid(let text) {
            writeToStandardError(text + "\n")
            return 2
        } catch {
            Logger().error("the sidecar ends", [.error: LogValue(error)])
            guard let failure = error as? SidecarError, failure.code == .launch else { return 125 }
            return failure.cause?.errno == ENOENT ? 127 : 126
        }
    }

    private static func start(_ mode: String, _ arguments: [String], _ environment: [String: String]) throws -> CInt {
        switch mode {
        case "run":
            let settings = try RunSettings.parse(arguments, environment: environment)
            return try AttendProgram(settings.attend, .run) {
                try RunCharge(settings, identity: $0, nice: $1, $2)
            }.run()
        case "attach":
            let settings = try AttachSettings.parse(arguments, environment: environment)
            return try AttendProgram(settings.attend, .attach) { _, _, logger in
                if case .cgroup(let path) = settings.target { return try CgroupCharge(path, settings.freezer, logger) }
                return try TreeCharge(settings, logger)
            }.run()
        case "scan":
            let settings = try ScanSettings.parse(arguments, environment: environment)
            return try AttendProgram(settings, .scan) { _, _, logger in ScanCharge(logger) }.run()
        case "node":
            return try NodeProgram(try NodeSettings.parse(arguments, environment: environment)).run()
        case "status":
            return StatusProgram.run(try ProbeSettings.status(arguments, environment: environment))
        case "healthcheck":
            return HealthcheckProgram.run(try ProbeSettings.healthcheck(arguments, environment: environment))
        case "--version":
            throw SettingsError.information("wvs-sidecar \(Version.current)")
        case "--help", "-h":
            throw SettingsError.information(usage)
        default:
            let problem = mode.isEmpty ? "" : "wvs-sidecar: there is no mode '\(mode)'\n\n"
            throw SettingsError.invalid(problem + usage)
        }
    }
}
