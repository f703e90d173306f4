private import Glibc
import RuntimeCore

/// `wvs-sidecar status`: shows a workspace.
enum StatusProgram {
    /// - Returns: 0; 1 where there is no workspace.
    static func run(_ settings: ProbeSettings) -> CInt {
        let machine = WorkspaceStatus.Machine(settings)
        if !settings.asJSON {
            for node in machine.nodes { print("node      \(node.note.workspace): \(node.condition)") }
        }
        if machine.workspaces.isEmpty, machine.nodes.isEmpty {
            writeToStandardError("wvs-sidecar status: no sidecar has a state file in \(settings.stateDirectory)\n")
            return 1
        }
        do {
            for path in machine.workspaces {
                let status = try WorkspaceStatus(path, stateDirectory: settings.stateDirectory)
                print(settings.asJSON ? status.json : status.text)
            }
            try flushStandardOutput()
            return 0
        } catch {
            writeToStandardError("wvs-sidecar status: \(error)\n")
            return 1
        }
    }
}
