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
        /// In clock ticks since boot; with the pid it names a process for good.
        package let startTime: UInt64

        /// Nothing of it can run before someone continues it.
        var isStill: Bool {
            [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(state)
        }
    }

    /// The status of a process, or of a thread where `path` says so; nil once it is gone.
    package static func status(_ pid: ProcessID) -> Status? { status(at: "/proc/\(pid)/stat") }

    static func status(at path: String) -> Status? {
        // Gone between listing and reading is the normal end of a process.
        guard let bytes = try? ProcFS.read(path), let close = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        // The name before the parenthesis may hold anything, also spaces; `state` is the third field.
        let fields = bytes[(close + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let state = fields[0].first,
            let parent = ProcessID(String(decoding: fields[1], as: UTF8.self)),
            let start = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        return Status(parent: parent, state: state, startTime: start)
    }

    /// Every process this one can see.
    package static func all() throws(SystemError) -> [ProcessID] { try ProcFS.numbers("/proc") }

    /// The threads of a process; none once it is gone.
    package static func threads(of pid: ProcessID) -> [ProcessID] { (try? ProcFS.numbers("/proc/\(pid)/task")) ?? [] }

    /// The threads of a process that have not ended: the leader may have, and then shows neither files nor memory.
    static func livingThreads(of pid: ProcessID) -> [ProcessID] {
        threads(of: pid).filter { thread in
            guard let status = status(at: "/proc/\(pid)/task/\(thread)/stat") else { return false }
            return status.state != UInt8(ascii: "Z") && status.state != UInt8(ascii: "X")
        }
    }

    /// Children, their children and so on of `ancestor`, without those below any of `except`.
    package static func descendants(of ancestor: ProcessID, except: Set<ProcessID>) throws(SystemError) -> [ProcessID] {
        var children: [ProcessID: [ProcessID]] = [:]
        for pid in try all() {
            if let status = status(pid) { children[status.parent, default: []].append(pid) }
        }
        var result: [ProcessID] = []
        var open = children[ancestor] ?? []
        while let pid = open.popLast() {
            if except.contains(pid) { continue }
            result.append(pid)
            open += children[pid] ?? []
        }
        return result
    }

    /// Whether any thread of a process could run now. The leader alone says nothing: it may have ended before the others.
    static func canRun(_ pid: ProcessID) -> Bool {
        threads(of: pid).contains { thread in
            guard let status = status(at: "/proc/\(pid)/task/\(thread)/stat") else { return false }
            return !status.isStill
        }
    }
}
