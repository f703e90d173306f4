private import CShims
private import Glibc
package import RuntimeCore

/// Stops processes with SIGSTOP, for those that no cgroup holds.
///
/// It sweeps until two passes in a row find nothing that can run. A process born between the two can be missed, so what comes
/// of it is `best_effort`.
package final class SignalFreezer: Freezer {
    private let set: any ProcessSet
    private let announce: ([ProcessID]) throws(FreezerError) -> Void
    private var stopped: [ProcessID: CInt] = [:]

    package var method: FreezerMethod { .sigstop }

    /// - Parameters:
    ///   - set: who is stopped.
    ///   - announce: told who will be stopped before it happens, so that someone else can let them go.
    package init(_ set: any ProcessSet, announce: @escaping ([ProcessID]) throws(FreezerError) -> Void) {
        self.set = set
        self.announce = announce
    }

    deinit { thaw() }

    package func freeze(until deadline: MonotonicTime) throws(FreezerError) {
        var quietPasses = 0
        while quietPasses < 2 {
            let running = try running()
            if running.isEmpty {
                quietPasses += 1
                continue
            }
            guard MonotonicTime.now < deadline else {
                let names = running.prefix(10).map(String.init).joined(separator: ", ")
                throw FreezerError(.notFrozen, "still running after SIGSTOP: \(names)")
            }
            quietPasses = 0
            try announce(running.filter { stopped[$0] == nil })
            for pid in running { try stop(pid) }
            usleep(100)
        }
    }

    package func hasStoodStill() throws(FreezerError) -> Bool {
        for process in stopped.keys {
            if try listed({ () throws(SystemError) in try ProcessTable.canRun(process, isSignalled: true) }) {
                return false
            }
        }
        return true
    }

    package func thaw() {
        for pidfd in stopped.values {
            // ESRCH: it was killed meanwhile.
            _ = wvs_pidfd_send_signal(pidfd, SIGCONT)
            close(pidfd)
        }
        stopped = [:]
    }

    package func population() throws(FreezerError) -> Population {
        var population = Population(processes: try members(), threads: 0)
        for process in population.processes {
            population.threads += try listed { () throws(SystemError) in try ProcessTable.threads(of: process).count }
        }
        return population
    }

    package func contains(_ process: ProcessID) -> Bool { set.contains(process) }

    private func members() throws(FreezerError) -> [ProcessID] {
        try listed { () throws(SystemError) in try set.members() }
    }

    private func running() throws(FreezerError) -> [ProcessID] {
        var running: [ProcessID] = []
        for process in try members() {
            let canRun = try listed { () throws(SystemError) in
                try ProcessTable.canRun(process, isSignalled: stopped[process] != nil)
            }
            if canRun { running.append(process) }
        }
        return running
    }

    private func listed<Result>(_ look: () throws(SystemError) -> Result) throws(FreezerError) -> Result {
        try explained(.notFrozen, "the processes cannot be listed", look)
    }

    private func stop(_ pid: ProcessID) throws(FreezerError) {
        let pidfd = stopped[pid] ?? wvs_pidfd_open(pid, 0)
        if pidfd == -1 {
            if lastErrno == ESRCH { return }
            throw FreezerError(.notFrozen, "a process cannot be stopped", cause: SystemError("pidfd_open", String(pid)))
        }
        stopped[pid] = pidfd
        if wvs_pidfd_send_signal(pidfd, SIGSTOP) == -1, lastErrno != ESRCH {
            let cause = SystemError("pidfd_send_signal", String(pid))
            throw FreezerError(.notFrozen, "a process cannot be stopped", cause: cause)
        }
    }
}
