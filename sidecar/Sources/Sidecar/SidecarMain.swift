private import Glibc
import RuntimeCore

/// What `wvs-sidecar` does with its arguments.
package enum SidecarMain {
    private static let usage = """
        Freezes, flushes and thaws an AI agent, so that snapshots of its workspace are never torn.

        usage: wvs-sidecar run  [--flag VALUE]... -- CMD [ARG]...   start an agent and look after it
               wvs-sidecar node [--flag VALUE]...                  answer for workspaces without an agent

        Each mode explains its flags: wvs-sidecar MODE --help
          --help, --version
        """

    /// - Returns: the exit status: that of the agent; 2 for wrong settings; 127 for a command that is not there, 126 for one that
    ///   does not start, 125 when the sidecar itself failed, as with other programs that start programs.
    package static func run(_ arguments: [String], environment: [String: String]) -> CInt {
        do {
            switch arguments.first {
            case "run":
                let settings = try RunSettings.parse(Array(arguments.dropFirst()), environment: environment)
                return try RunProgram(settings).run()
            case "node":
                let settings = try NodeSettings.parse(Array(arguments.dropFirst()), environment: environment)
                return try NodeProgram(settings).run()
            case "--version":
                print("wvs-sidecar \(Version.current)")
            case "--help", "-h":
                print(usage)
            default:
                writeToStandardError(usage + "\n")
                return 2
            }
            return 0
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
}
