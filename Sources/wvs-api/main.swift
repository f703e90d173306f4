import API
import Glibc
import RuntimeCore

let settings = SettingsReader.load(
    program: "wvs-api", summary: "The HTTP control plane of WVS: checks requests, and writes tasks and audit.",
    readiness: \.metricsAddress, APISettings.init)
do {
    try await APIProgram.run(settings)
} catch {
    Logger(level: settings.logLevel).error("wvs-api ended", [.error: LogValue(error)])
    exit(1)
}
