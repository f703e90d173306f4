private import CShims
private import Glibc
package import RuntimeCore

/// A process's number, as `pid_t` is on Linux; glibc's own name for it stays out of our declarations.
package typealias ProcessID = CInt

/// What /proc says about processes.
package enum ProcessTable {
    /// One line of `/proc/<pid>/stat`.
    package struct Status: Sendable {
        package let parent: ProcessID
        /// As proc(5) has it: R, S, D, T, t, Z, X, I.
        package let state: UInt8
        /// How many threads its process has, a leader that has ended among them.
        let threadCount: Int
        /// In clock ticks since boot; with the pid it names a process for good.
        package let startTime: UInt64
        /// It has no memory and no files of its own.
        let isKernelThread: Bool
        /// On its way out: it runs nothing of its own any more.
        fileprivate let isExiting: Bool

        /// Its descriptors and mappings are gone.
        package var isEnded: Bool { [UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(state) }

        /// Nobody in it does anything any more. A cgroup does not show it as a member from then on, before it is a zombie.
        var isEnding: Bool { isEnded || isExiting && threadCount <= 1 }

        /// Nothing of it can run before someone continues it.
        var isStill: Bool {
            [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(state)
        }
    }

    /// The status of a process; nil once it is gone, or where it cannot be read.
    package static func status(_ pid: ProcessID) -> Status? { try? knownStatus(at: "/proc/\(pid)/stat") }

    /// The status of a thread of a process; nil once it is gone.
    static func status(of thread: ProcessID, in pid: ProcessID) throws(SystemError) -> Status? {
        try knownStatus(at: "/proc/\(pid)/task/\(thread)/stat")
    }

    private static func knownStatus(at path: String) throws(SystemError) -> Status? {
        let status = try ProcFS.unlessGone { () throws(SystemError) in
            let file = try ProcFS.open(path, CInt(O_RDONLY))
            // The kernel gives it in one piece; it is asked for often.
            return try ProcFS.withStart(of: file.raw, path, atMost: 1024) { Status($0) }
        }
        guard let status else { return nil }
        guard let known = status else { throw SystemError("read", path, errno: EPROTO) }
        return known
    }

    /// Whether this process lives in the machine's first PID namespace, whose number is fixed (`PROC_PID_INIT_INO` of the kernel's
    /// <linux/proc_ns.h>): from any other one some processes cannot be seen.
    static var seesEverybody: Bool { ProcFS.target("/proc/self/ns/pid") == "pid:[4026531836]" }

    /// Every process this one can see.
    package static func all() throws(SystemError) -> [ProcessID] { try ProcFS.numbers("/proc") }

    /// Whether /proc keeps processes of other users from this one (`hidepid`).
    package static var hidesOthers: Bool {
        guard geteuid() != 0, let table = try? MountTable(), let mount = table.mount(of: "/proc") else { return false }
        return mount.options.contains { $0.hasPrefix("hidepid=") && !["hidepid=0", "hidepid=off"].contains($0) }
    }

    /// The threads of a process; none once it is gone.
    package static func threads(of pid: ProcessID) throws(SystemError) -> [ProcessID] {
        try ProcFS.unlessGone { () throws(SystemError) in try ProcFS.numbers("/proc/\(pid)/task") } ?? []
    }

    /// Whether any thread of a process has not ended: the leader may have, and then shows neither files nor memory. What cannot be
    /// looked at lives.
    package static func isLiving(_ pid: ProcessID) -> Bool {
        do {
            for thread in try threads(of: pid) where try status(of: thread, in: pid)?.isEnded == false { return true }
            return false
        } catch {
            return true
        }
    }

    /// One living thread of `threads` for each descriptor table of a process: they share one as a rule; after unshare(CLONE_FILES)
    /// they do not. Where the kernel cannot compare, that is every thread; where we may not ask, we may not look
    /// either. A leader may end before the others, and is then none of these.
    static func descriptorTables(of pid: ProcessID, _ threads: [ProcessID]) throws(SystemError) -> [ProcessID] {
        if threads.count == 1 { return threads }
        var tables: [ProcessID] = []
        for thread in threads where !tables.contains(where: { sharesFiles($0, thread) }) {
            if try status(of: thread, in: pid)?.isEnded == false { tables.append(thread) }
        }
        return tables
    }

    private static func sharesFiles(_ one: ProcessID, _ other: ProcessID) -> Bool {
        let order = wvs_compare_files(one, other)
        return order == 0 || (order == -1 && lastErrno == EPERM)
    }

    /// Children, their children and so on of `ancestors`, without those below any of `except`.
    package static func descendants(of ancestors: [ProcessID], except: Set<ProcessID>) throws(SystemError)
        -> [ProcessID]
    {
        var children: [ProcessID: [ProcessID]] = [:]
        for pid in try all() {
            do throws(SystemError) {
                guard let status = try knownStatus(at: "/proc/\(pid)/stat") else { continue }
                children[status.parent, default: []].append(pid)
            } catch  where error.errno == EACCES || error.errno == EPERM {
                continue  // another user's, where /proc keeps those to themselves: see `hidesOthers`
            }
        }
        var result: [ProcessID] = []
        var seen = except
        var open = ancestors.flatMap { children[$0] ?? [] }
        while let pid = open.popLast() {
            guard seen.insert(pid).inserted else { continue }
            result.append(pid)
            open += children[pid] ?? []
        }
        return result
    }

    /// The parents of a process up to the first one that this process can see.
    package static func ancestors(of process: ProcessID) -> [ProcessID] {
        var result: [ProcessID] = []
        var next = status(process)?.parent ?? 0
        // A parent in another PID namespace is 0.
        while next > 0, !result.contains(next) {
            result.append(next)
            next = status(next)?.parent ?? 0
        }
        return result
    }

    /// Whether any thread of a process could run now. The leader alone says nothing: it may have ended before the others.
    ///
    /// - Parameter isSignalled: SIGSTOP has gone to it. A thread that waits for its child of vfork(2) does not stop, and does not
    ///   run either before the child does.
    static func canRun(_ pid: ProcessID, isSignalled: Bool) throws(SystemError) -> Bool {
        for thread in try threads(of: pid) {
            guard let status = try status(of: thread, in: pid), !status.isStill else { continue }
            if isSignalled, status.state == UInt8(ascii: "D"), try isHeldByChild(thread, of: pid) { continue }
            return true
        }
        return false
    }

    /// Only a child that has not called execve(2) yet shares its parent's memory.
    private static func isHeldByChild(_ thread: ProcessID, of pid: ProcessID) throws(SystemError) -> Bool {
        // A kernel may not tell; then it is not known to be held.
        guard let text = try? ProcFS.read("/proc/\(pid)/task/\(thread)/children") else { return false }
        for word in text.split(separator: UInt8(ascii: " ")) {
            guard let child = ProcessID(String(decoding: word, as: UTF8.self)) else { continue }
            if wvs_compare_memory(thread, child) == 0, try !canRun(child, isSignalled: true) { return true }
        }
        return false
    }
}

extension ProcessTable.Status {
    /// Nil where the text is no such line.
    fileprivate init?(_ text: UnsafeRawBufferPointer) {
        // The name before the parenthesis may hold anything, also spaces; `state` is the third field.
        guard let close = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        var rest = text[(close + 1)...]
        func next() -> Slice<UnsafeRawBufferPointer>? {
            rest = rest.drop { $0 == UInt8(ascii: " ") }
            let field = rest.prefix { $0 != UInt8(ascii: " ") }
            rest = rest[field.endIndex...]
            return field.isEmpty ? nil : field
        }
        func number() -> UInt64? {
            next()?.reduce(0) { value, digit in
                guard let value, digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
                return value &* 10 &+ UInt64(digit - UInt8(ascii: "0"))
            }
        }
        guard let state = next()?.first, let parent = number() else { return nil }
        for _ in 5...8 { _ = next() }
        guard let flags = number() else { return nil }
        for _ in 10...19 { _ = next() }
        guard let threads = number() else { return nil }
        _ = next()
        guard let start = number() else { return nil }
        // PF_KTHREAD and PF_EXITING of the kernel's <linux/sched.h>.
        self.init(
            parent: ProcessID(clamping: parent), state: state, threadCount: Int(clamping: threads), startTime: start,
            isKernelThread: flags & 0x0020_0000 != 0, isExiting: flags & 0x0000_0004 != 0)
    }
}
