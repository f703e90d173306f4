import Executor
private import Glibc
import RuntimeCore

@main
enum WVSExecutor {
    static func main() async {
        let settings = SettingsReader.load(
            program: "wvs-executor", summary: "Freezes agents, clones, switches and removes their workspaces' trees.",
            readiness: \.metricsAddress, ExecutorSettings.init)
        let logger = Logger(level: settings.logLevel).with(.program, "wvs-executor")
        do {
            try await ExecutorProgram(settings: settings, logger: logger).run()
        } catch {
            logger.error("ended", [.error: LogValue(error)])
            exit(1)
        }
    }
}
