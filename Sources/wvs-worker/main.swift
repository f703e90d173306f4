import Glibc
import Runtime
import RuntimeCore
import Worker

let settings = SettingsReader.load(
    program: "wvs-worker", summary: "Takes WVS tasks from the queue and has executors do them.",
    readiness: \.metricsAddress, WorkerSettings.init)
do {
    try await WorkerProgram(settings).run()
} catch {
    Logger(level: settings.logLevel).error("wvs-worker failed", [.error: LogValue(error)])
    exit(1)
}
