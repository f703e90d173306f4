import Freezer
import Quiesce
import RuntimeCore

extension WorkspaceStatus {
    /// For a person.
    var text: String {
        var lines = ["workspace \(path)", "current   \(current ?? "missing")"]
        switch view?.reading {
        case .document(let document): lines += describe(document)
        case .absent?: lines.append("protocol  no control file: no executor has prepared this workspace")
        case .invalid(let reason)?: lines.append("protocol  not readable: \(reason)")
        case nil: lines.append("protocol  closed to this user: \(problem ?? "")")
        }
        let sidecars = view?.sidecars ?? []
        if sidecars.isEmpty, local.isEmpty { lines.append("sidecars  none") }
        for sidecar in sidecars { lines.append("sidecar   \(describe(sidecar))") }
        for sidecar in local { lines += describe(sidecar) }
        return lines.joined(separator: "\n")
    }

    private func describe(_ document: ControlDocument) -> [String] {
        guard document.state != .running || document.epoch > 0 else { return ["protocol  RUNNING, never frozen"] }
        var lines = [
            "protocol  \(document.state.rawValue), epoch \(document.epoch), task \(document.taskID), "
                + "executor \(document.executor), written \(document.timestamp)"
        ]
        for id in document.expects {
            guard let acknowledgement = document.acknowledgements[id] else {
                lines.append("  \(id): \(document.errors[id] ?? "no answer yet")")
                continue
            }
            let held = acknowledgement.held.map { $0 ? ", held" : ", not held" } ?? ", frozen"
            let error = document.errors[id].map { "; \($0)" } ?? ""
            lines.append(
                "  \(id): \(acknowledgement.consistency.rawValue) by \(acknowledgement.method.rawValue), "
                    + "\(acknowledgement.processes) processes, \(acknowledgement.flushedFiles) files flushed\(held)\(error)"
            )
            if !acknowledgement.oldTree.isEmpty {
                let pids = acknowledgement.oldTree.map(String.init).joined(separator: ", ")
                lines.append("  \(id): in the old tree: \(pids)")
            }
        }
        return lines
    }

    private func describe(_ sidecar: ControlView.Sidecar) -> String {
        let life = sidecar.isLiving ? "living" : "dead, without a farewell"
        guard let registration = sidecar.registration else { return "\(sidecar.id): \(life), text not understood" }
        return "\(sidecar.id): \(life), \(registration.mode.rawValue) by \(registration.method.rawValue), "
            + "pid \(registration.pid) on \(registration.host) since \(registration.startedAt)"
    }

    private func describe(_ sidecar: Local) -> [String] {
        let note = sidecar.note
        var lines = ["here      \(note.sidecar): \(sidecar.condition)"]
        if let agent = note.agent { lines.append("  agent   pid \(agent), \(processState(sidecar.agentState))") }
        if let cgroup = note.cgroup {
            let members = sidecar.cgroup.map {
                "\($0.processes.count) processes, \($0.isFrozen ? "frozen" : "running")"
            }
            lines.append("  cgroup  \(cgroup): \(members ?? "gone")")
            if sidecar.isLeftover {
                lines.append(
                    "          left by a dead sidecar; the next sidecar of this workspace thaws and removes it")
            }
        }
        if !note.stopped.isEmpty { lines.append("  stopped \(note.stopped.count) processes were sent SIGSTOP") }
        return lines
    }
}

extension WorkspaceStatus.Local {
    /// Whether a dead sidecar's cgroup is still there.
    var isLeftover: Bool { state == nil && note.hasMadeCgroup && cgroup != nil }

    var condition: String {
        guard let state else { return "dead, was pid \(note.pid)" }
        if note.mode == .node { return "node, pid \(note.pid), \(processState(state))" }
        let guardian = hasGuardian ? "guardian \(note.guardian)" : "WITHOUT GUARDIAN"
        return "\(note.mode.rawValue) by \(note.method), pid \(note.pid), \(processState(state)), \(guardian)"
    }
}

/// A letter of proc(5) in words.
func processState(_ letter: UInt8?) -> String {
    switch letter.map({ Character(UnicodeScalar($0)) }) {
    case nil: "gone"
    case "R": "running"
    case "S", "I": "sleeping"
    case "D": "in uninterruptible sleep"
    case "T", "t": "stopped"
    case "Z", "X": "ended"
    case let letter?: "state \(letter)"
    }
}
