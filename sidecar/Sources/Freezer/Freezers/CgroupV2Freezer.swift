private import Glibc
package import RuntimeCore

/// Freezes a cgroup2: the kernel stops every task of it, also those born meanwhile, and says when all stand still.
package final class CgroupV2Freezer: CgroupFreezer {
    package let cgroup: Cgroup
    private let events: CInt

    package var method: FreezerMethod { .cgroup2 }

    package init(_ cgroup: Cgroup) throws(FreezerError) {
        self.cgroup = cgroup
        events = try explained(.unavailable, "the cgroup does not tell its state") { () throws(SystemError) in
            try ProcFS.open("cgroup.events", in: cgroup.directory, CInt(O_RDONLY)).release()
        }
    }

    deinit { close(events) }

    package func freeze(until deadline: MonotonicTime) throws(FreezerError) {
        try explained(.notFrozen, "the cgroup cannot be frozen") { () throws(SystemError) in
            try cgroup.freeze()
        }
        // The kernel limits this file's notifications to 100 a second, so the usual case is read and not waited for.
        let patience = min(deadline, .now + .milliseconds(3))
        while try !isFrozen() {
            let now = MonotonicTime.now
            guard now < deadline else { throw FreezerError(.notFrozen, cgroup.stragglers()) }
            if now < patience {
                usleep(60)
            } else {
                var entry = pollfd(fd: events, events: Int16(POLLPRI), revents: 0)
                // At least 1 ms, or the last part of a millisecond would be spent in a busy loop.
                poll(&entry, 1, CInt(clamping: max(1, (deadline - now).wholeMilliseconds)))
            }
        }
    }

    private func isFrozen() throws(FreezerError) -> Bool {
        try explained(.notFrozen, "the cgroup's state cannot be read") { () throws(SystemError) in
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = try systemCall("pread", "cgroup.events") { pread(events, &buffer, buffer.count, 0) }
            return String(decoding: buffer[..<count], as: UTF8.self).contains("frozen 1")
        }
    }
}

extension Cgroup {
    /// Who does not stand still: as a rule a task inside a system call that nobody can interrupt.
    func stragglers() -> String {
        // The error is about to be thrown either way; an unreadable list only makes it say less.
        let processes = (try? population().processes) ?? []
        var blocked: [ProcessID] = []
        for _ in 0..<20 {
            blocked = processes.filter { pid in
                ProcessTable.threads(of: pid).contains { thread in
                    ProcessTable.status(at: "/proc/\(pid)/task/\(thread)/stat")?.state == UInt8(ascii: "D")
                }
            }
            if !blocked.isEmpty { break }
            // The guardian may just have thawed them, which wakes everybody for a moment.
            usleep(500)
        }
        let names = blocked.prefix(10).map(String.init).joined(separator: ", ")
        return "the cgroup did not freeze in time; in uninterruptible sleep: \(names.isEmpty ? "nobody" : names)"
    }
}
