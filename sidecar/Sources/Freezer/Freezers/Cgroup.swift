private import Glibc
package import RuntimeCore

/// A control group that can be frozen.
package final class Cgroup {
    package let path: String
    package let version: CgroupVersion
    /// The directory, for clone3(2).
    package let directory: CInt
    /// `cgroup.procs`, open for writing; -1 where that is refused.
    package let procs: CInt
    /// `cgroup.freeze` or `freezer.state`, open as long as this object lives: a thaw needs no path and no memory.
    package let freezeSwitch: CInt
    /// Within its hierarchy; nil where the mount table does not tell.
    let place: String?
    /// Nobody enters it but who is born in it.
    private let isMade: Bool
    /// It was this object that froze it.
    private var isHeld = false

    /// Makes a cgroup below this process's own.
    ///
    /// - Parameter name: of the new cgroup; it must not exist.
    /// - Throws: `unavailable` where none is mounted, or none that this process may divide and freeze.
    package convenience init(creating name: String, _ version: CgroupVersion = .v2) throws(FreezerError) {
        var refusal: SystemError?
        let candidates = try Self.candidates(version)
        for parent in candidates {
            do {
                let path = "\(parent)/\(name)"
                try systemCall("mkdir", path) { mkdir(path, 0o755) }
                do {
                    try self.init(path: path, isMade: true)
                    return
                } catch {
                    rmdir(path)
                    refusal = error
                }
            } catch {
                refusal = error
            }
        }
        let kind = version == .v2 ? "cgroup2" : "cgroup1 freezer"
        let reason = candidates.isEmpty ? "no \(kind) is mounted" : "no \(kind) that may be divided here"
        throw FreezerError(.unavailable, reason, cause: refusal)
    }

    /// Opens an existing cgroup, of the kind that it is.
    ///
    /// Fails where it cannot be frozen: the top of a hierarchy, a cgroup2 of Linux below 5.2, another cgroup1 hierarchy, no
    /// cgroup at all, no right to.
    package convenience init(path: String) throws(SystemError) { try self.init(path: path, isMade: false) }

    private init(path: String, isMade: Bool) throws(SystemError) {
        self.path = path
        self.isMade = isMade
        let directory = try ProcFS.open(path, CInt(O_RDONLY) | CInt(O_DIRECTORY))
        let version = faccessat(directory.raw, CgroupVersion.v1.switchName, F_OK, 0) == 0 ? CgroupVersion.v1 : .v2
        self.version = version
        let freezeSwitch = try ProcFS.open(version.switchName, in: directory.raw, CInt(O_RDWR))
        // An agent's own cgroup may be ours to freeze and not ours to fill.
        procs = (try? ProcFS.open("cgroup.procs", in: directory.raw, CInt(O_WRONLY)).release()) ?? -1
        place = try MountTable().place(of: path)?.path
        self.directory = directory.release()
        self.freezeSwitch = freezeSwitch.release()
    }

    deinit {
        close(freezeSwitch)
        if procs >= 0 { close(procs) }
        close(directory)
    }

    /// Writes to the switch. Refused where somebody else has frozen it: who thaws first would let run what the other one
    /// relies on, and what an operator has paused is not ours to let go.
    func freeze() throws(FreezerError) {
        try explained(.notFrozen, "the cgroup cannot be frozen") { () throws(SystemError) in
            let isFrozenByOthers = isHeld ? false : try isSwitchedOn()
            if isFrozenByOthers {
                let place = "\(path), which stands frozen already and not by this sidecar"
                throw SystemError("freeze", place, errno: EBUSY)
            }
            isHeld = true
            try systemCall("write", "\(path)/\(version.switchName)") { write(freezeSwitch, version.freezeText) }
        }
    }

    /// Whether the switch says that it is to be frozen, whoever wrote that.
    package func isSwitchedOn() throws(SystemError) -> Bool {
        let text = try ProcFS.start(of: freezeSwitch, "\(path)/\(version.switchName)")
        return text != (version == .v2 ? "0\n" : "THAWED\n")
    }

    /// Lets everyone run whom `freeze` has stopped.
    func release() {
        if isHeld { thaw() }
        isHeld = false
    }

    /// Lets everyone in it run. Fails only once the cgroup is gone, and then nothing is frozen.
    package func thaw() { _ = write(freezeSwitch, version.thawText) }

    /// Removes the cgroup, with the empty ones below it. What still lives in it goes to the parent first: it is not ours to
    /// kill.
    ///
    /// - Returns: how many processes were left.
    @discardableResult
    package func remove() throws(SystemError) -> Int {
        var left = 0
        for folder in try Self.subtree(of: path).reversed() {
            // A process that forks while it is moved leaves a child behind: look again.
            for _ in 0..<100 {
                // Written back, a 0 would move this very process.
                let processes = try Self.members(of: folder, mayBeThreaded: folder != path).filter { $0 > 0 }
                if processes.isEmpty { break }
                left += processes.count
                try Self.move(processes, to: path.parentFolder)
            }
            try systemCall("rmdir", folder) { rmdir(folder) }
        }
        return left
    }

    private static func move(_ processes: [ProcessID], to parent: String) throws(SystemError) {
        let file = try ProcFS.open("\(parent)/cgroup.procs", CInt(O_WRONLY))
        for pid in processes {
            let text = String(pid)
            // ESRCH: it has ended meanwhile.
            if write(file.raw, text, text.utf8.count) == -1, errno != ESRCH {
                throw SystemError("write", "\(parent)/cgroup.procs")
            }
        }
    }

    /// Somebody has removed it.
    package var isGone: Bool { faccessat(directory, "cgroup.procs", F_OK, 0) != 0 }

    /// Everyone in the cgroup and below it: an agent with the right to may have divided it.
    package func population() throws(SystemError) -> Population {
        var population = Population(processes: [], threads: 0)
        for folder in try Self.subtree(of: path) {
            do throws(SystemError) {
                let members = try Self.members(of: folder, mayBeThreaded: folder != path)
                population.processes += members.filter { $0 > 0 }
                if members.contains(0) {
                    population.doubt = "the cgroup \(folder) has members in another PID namespace, which cannot be seen"
                }
                let threads = try ProcFS.read("\(folder)/\(version.threadsName)")
                population.threads += threads.count { $0 == UInt8(ascii: "\n") }
            } catch  where folder != path && Self.isRemoved(error) {}
        }
        // Version 1 leaves out who cannot be seen, and says nothing.
        if version == .v1, !isMade, !ProcessTable.seesEverybody {
            population.doubt = "members of a cgroup1 that live in another PID namespace are not seen from within one"
        }
        return population
    }

    /// - Returns: 0 for each one that lives outside this process's PID namespace.
    private static func members(of folder: String, mayBeThreaded: Bool) throws(SystemError) -> [ProcessID] {
        do {
            let text = try ProcFS.read("\(folder)/cgroup.procs")
            return text.split(separator: UInt8(ascii: "\n")).compactMap {
                ProcessID(String(decoding: $0, as: UTF8.self))
            }
        } catch  where error.errno == EOPNOTSUPP && mayBeThreaded {
            return []  // a threaded cgroup: its domain, further up, lists the processes
        }
    }

    /// A cgroup below this one is gone: it was empty, or could not have been removed. An agent may make them and remove them as it
    /// likes.
    private static func isRemoved(_ error: SystemError) -> Bool { error.errno == ENOENT || error.errno == ENODEV }

    private static func subtree(of path: String) throws(SystemError) -> [String] {
        var result = [path]
        var index = 0
        while index < result.count {
            let folder = result[index]
            index += 1
            guard let stream = opendir(folder) else {
                let error = SystemError("opendir", folder)
                if folder != path, isRemoved(error) { continue }
                throw error
            }
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if entry.pointee.d_type == UInt8(DT_DIR), name != ".", name != ".." {
                    result.append("\(folder)/\(name)")
                }
            }
        }
        return result
    }
}

/// write(2) of a text that lies in the program: no allocation, so that it also works in a forked child.
@discardableResult
func write(_ file: CInt, _ text: StaticString) -> Int { Glibc.write(file, text.utf8Start, text.utf8CodeUnitCount) }
