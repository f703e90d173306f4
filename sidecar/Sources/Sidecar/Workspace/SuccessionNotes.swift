private import Glibc
import RuntimeCore

/// Keeps the state file, where there can be one: without it a sidecar works as well, only its successor knows less.
final class SuccessionNotes {
    private var file: StateFile?
    private var logger = SidecarSettings.logger(.info)
    /// Whose agents live on.
    private var estates: [Estate] = []

    /// Thaws what dead predecessors noted and begins this sidecar's own file.
    ///
    /// - Returns: the id of the latest predecessor that left without farewell.
    func open(directory: String, wsid: String, _ note: StateFile.Note, _ logger: Logger) -> String? {
        self.logger = logger
        do {
            try StateFile.makeDirectory(directory)
            estates = try StateFile.release(directory: directory, wsid: wsid, logger)
            let predecessor = estates.last?.note.sidecar
            if let survivor = survivor() { logger.warn("a predecessor's agent lives on", [.detail: .text(survivor)]) }
            file = try StateFile(directory: directory, wsid: wsid, note)
            return predecessor
        } catch {
            logger.warn("no state file: a successor will not know what to thaw", [.error: LogValue(error)])
            return nil
        }
    }

    /// A process that a dead predecessor's agent has left and that is not among `frozen`, in words; nil for none. What nothing is
    /// left of is removed.
    func survivor(besides frozen: Set<CInt> = []) -> String? {
        var found: String?
        estates.removeAll { estate in
            found = found ?? estate.survivor(besides: frozen)
            // Those that stand frozen may run again.
            guard estate.survivor(besides: []) == nil else { return false }
            return estate.remove()
        }
        return found
    }

    /// Adds processes that are about to be stopped.
    func add(_ stopped: [CInt]) {
        do {
            try file?.add(stopped)
        } catch {
            logger.warn("the state file could not be written", [.error: LogValue(error)])
        }
    }

    /// Notes the agent's main process.
    func note(agent: CInt?) {
        do {
            try file?.note(agent: agent)
        } catch {
            logger.warn("the state file could not be written", [.error: LogValue(error)])
        }
    }

    func close(_ logger: Logger) {
        // What could not be removed before.
        _ = survivor()
        do {
            try file?.remove()
            file = nil
        } catch {
            logger.warn("the state file could not be removed", [.error: LogValue(error)])
        }
    }
}
