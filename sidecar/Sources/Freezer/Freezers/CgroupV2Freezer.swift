private import Glibc
package import RuntimeCore

/// Freezes a cgroup2: the kernel stops every task of it, also those born meanwhile, and says when all stand still.
package final class CgroupV2Freezer: CgroupFreezer {
    package let cgroup: Cgroup
    private let events: CInt
    /// `cpu.stat`, which every cgroup2 has but the first; -1 where it has none.
    private let usage: CInt
    /// What `usage` said when everybody stood still, in microseconds; nil before.
    private var usageAtRest: Int?
    /// So much may be used by tasks that are counted as frozen and on their way to sleep, or to their end.
    private static let aftermath = 5000

    package var method: FreezerMethod { .cgroup2 }

    package init(_ cgroup: Cgroup) throws(FreezerError) {
        self.cgroup = cgroup
        events = try explained(.unavailable, "the cgroup does not tell its state") { () throws(SystemError) in
            try ProcFS.open("cgroup.events", in: cgroup.directory, CInt(O_RDONLY)).release()
        }
        usage = (try? ProcFS.open("cpu.stat", in: cgroup.directory, CInt(O_RDONLY)).release()) ?? -1
    }

    deinit {
        close(events)
        if usage >= 0 { close(usage) }
    }

    package func freeze(until deadline: MonotonicTime) throws(FreezerError) {
        usageAtRest = nil
        try cgroup.freeze()
        // The kernel limits this file's notifications to 100 a second, so the usual case is read and not waited for.
        let patience = min(deadline, .now + .milliseconds(3))
        while try !isFrozen() {
            let now = MonotonicTime.now
            guard now < deadline else { throw FreezerError(.notFrozen, cgroup.stragglers()) }
            if now < patience {
                // As a rule it takes a task's way to its next return from the kernel: some 100 µs.
                usleep(25)
            } else {
                var entry = pollfd(fd: events, events: Int16(POLLPRI), revents: 0)
                // At least 1 ms, or the last part of a millisecond would be spent in a busy loop.
                poll(&entry, 1, CInt(clamping: max(1, (deadline - now).wholeMilliseconds)))
            }
        }
    }

    /// The first call after a freeze takes the measure for those that follow.
    ///
    /// Nothing counts how often a cgroup2 was thawed. But whoever ran has used a processor, and each change is notified. Both
    /// together: a process that is killed while it is frozen may have much to clear away, and nothing is notified then. What an
    /// agent does in less than the aftermath is not noticed.
    package func hasStoodStill() throws(FreezerError) -> Bool {
        let usageNow = try reading { () throws(SystemError) in
            usage >= 0 ? Self.microseconds(try ProcFS.start(of: usage, "cpu.stat")) : 0
        }
        let usageAtRest = usageAtRest ?? usageNow
        self.usageAtRest = usageAtRest
        // Asked before the file is read: reading takes the notification away.
        if usageNow - usageAtRest > Self.aftermath, isNotified() { return false }
        return try isFrozen()
    }

    /// Waits as long as the kernel may put a notification off, which is 10 ms since the last one.
    private func isNotified() -> Bool {
        var entry = pollfd(fd: events, events: Int16(POLLPRI), revents: 0)
        return poll(&entry, 1, 15) != 0
    }

    /// `usage_usec`, the first line.
    private static func microseconds(_ text: String) -> Int {
        text.prefix { $0 != "\n" }.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }

    private func isFrozen() throws(FreezerError) -> Bool {
        try reading { () throws(SystemError) in
            try ProcFS.start(of: events, "cgroup.events").contains("frozen 1")
        }
    }

    private func reading<Result>(_ read: () throws(SystemError) -> Result) throws(FreezerError) -> Result {
        try explained(.notFrozen, "the cgroup's state cannot be read", read)
    }
}

extension Cgroup {
    /// Who does not stand still: as a rule a task inside a system call that nobody can interrupt.
    func stragglers() -> String {
        // The error is about to be thrown either way; an unreadable list only makes it say less.
        let processes = (try? population().processes) ?? []
        var blocked: [ProcessID] = []
        for _ in 0..<100 {
            blocked = processes.filter { pid in
                let threads = (try? ProcessTable.threads(of: pid)) ?? []
                return threads.contains { thread in
                    (try? ProcessTable.status(of: thread, in: pid))?.state == UInt8(ascii: "D")
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
