private import Glibc
import RuntimeCore

/// `wvs-sidecar status`: shows a workspace.
enum StatusProgram {
    /// - Returns: 0; 1 where there is no workspace.
    static func run(_ settings: ProbeSettings) throws -> CInt {
        let status: WorkspaceStatus
        do {
            status = try WorkspaceStatus(settings)
        } catch {
            writeToStandardError("wvs-sidecar status: \(error)\n")
            return 1
        }
        print(settings.asJSON ? status.json : status.text)
        return 0
    }
}
