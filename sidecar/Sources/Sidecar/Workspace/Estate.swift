import Freezer
private import Glibc
import RuntimeCore

/// What a sidecar that died without farewell has left: its state file, and perhaps an agent that nobody freezes any more.
struct Estate {
    let path: String
    let note: StateFile.Note

    /// A process of the dead one's agent that lives on and is not among `frozen`, in words; nil for none. Who had left its main
    /// process and its cgroup before is not known.
    func survivor(besides frozen: Set<ProcessID>) -> String? {
        let owner = "the agent of a sidecar that has died, \(note.sidecar),"
        let named = note.stopped + (note.agent.map { [.init(pid: $0, startTime: note.agentStartTime)] } ?? [])
        var processes = named.filter { ProcessTable.status($0.pid)?.startTime == $0.startTime }.map(\.pid)
        if let cgroup = note.cgroup, access(cgroup, F_OK) == 0 || lastErrno != ENOENT {
            do {
                let population = try Cgroup(path: cgroup).population()
                if let doubt = population.doubt { return "\(owner) may live on: \(doubt)" }
                processes += population.processes
            } catch {
                return "\(owner) may live on: \(error)"
            }
        }
        let survivor = processes.first { !frozen.contains($0) && ProcessTable.isLiving($0) }
        return survivor.map { "\(owner) lives on and is not frozen: process \($0)" }
    }

    /// To be called where nothing is left of the agent.
    ///
    /// - Returns: false where the kernel holds on to its cgroup, as for a moment after its last process has ended: to be tried again.
    func remove() -> Bool {
        if note.hasMadeCgroup, let cgroup = note.cgroup {
            do {
                try Cgroup(path: cgroup).remove()
            } catch  where error.errno == EBUSY {
                return false
            } catch {
                // Gone, or not to be removed by this user.
            }
        }
        // It may have died while it wrote. The file itself goes last: it keeps the name from others.
        unlink(StateFile.temporary(path))
        unlink(path)
        return true
    }
}
