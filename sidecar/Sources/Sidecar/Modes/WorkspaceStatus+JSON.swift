import Freezer
import Quiesce
import RuntimeCore

extension WorkspaceStatus {
    /// One JSON object; its members are in wvs-sidecar(8).
    var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", 1)
            writer.member("workspace", path)
            writer.member("wsid", wsid)
            writer.member("current", optional: current)
            writer.member("problem", optional: problem)
            writer.name("control")
            write(document, to: &writer)
            writer.name("sidecars")
            writer.array { writer in
                for sidecar in view?.sidecars ?? [] { write(sidecar, to: &writer) }
            }
            writer.name("here")
            writer.array { writer in for sidecar in local { write(sidecar, to: &writer) } }
        }
        return writer.text
    }

    private func write(_ document: ControlDocument?, to writer: inout JSONWriter) {
        guard let document else { return writer.literal("null") }
        writer.object { writer in
            writer.member("state", document.state.rawValue)
            writer.member("epoch", document.epoch)
            writer.member("task_id", document.taskID)
            writer.member("executor", document.executor)
            writer.member("timestamp", document.timestamp.description)
            writer.name("expects")
            writer.array { writer in for id in document.expects { writer.string(id) } }
            writer.name("acks")
            writer.object { writer in
                for (id, acknowledgement) in document.acknowledgements.sorted(by: { $0.key < $1.key }) {
                    writer.name(id)
                    acknowledgement.write(to: &writer)
                }
            }
            writer.name("error")
            writer.object { writer in
                for (id, text) in document.errors.sorted(by: { $0.key < $1.key }) { writer.member(id, text) }
            }
        }
    }

    private func write(_ sidecar: ControlView.Sidecar, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", sidecar.id)
            writer.member("living", sidecar.isLiving)
            writer.member("mode", optional: sidecar.registration?.mode.rawValue)
            writer.member("method", optional: sidecar.registration?.method.rawValue)
            writer.member("host", optional: sidecar.registration?.host)
            writer.member("pid", sidecar.registration?.pid ?? 0)
            writer.member("started_at", optional: sidecar.registration?.startedAt.description)
        }
    }

    private func write(_ sidecar: Local, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", sidecar.note.sidecar)
            writer.member("mode", sidecar.note.mode.rawValue)
            writer.member("method", sidecar.note.method)
            writer.member("pid", sidecar.note.pid)
            writer.member("living", sidecar.state != nil)
            writer.member("state", processState(sidecar.state))
            writer.member("guardian", sidecar.hasGuardian)
            writer.member("agent", sidecar.note.agent ?? 0)
            writer.member("agent_state", processState(sidecar.agentState))
            writer.member("cgroup", optional: sidecar.note.cgroup)
            writer.member("cgroup_processes", sidecar.cgroup?.processes.count ?? 0)
            writer.member("cgroup_frozen", sidecar.cgroup?.isFrozen)
            writer.member("leftover", sidecar.isLeftover)
        }
    }
}
