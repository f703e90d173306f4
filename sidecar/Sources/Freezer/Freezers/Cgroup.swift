private import CShims
private import Glibc
package import RuntimeCore

/// A cgroup2 of our own, made for one agent.
package final class Cgroup {
    package let path: String
    /// The directory, for clone3(2).
    package let directory: CInt
    /// `cgroup.procs`, open for writing.
    package let procs: CInt
    /// `cgroup.freeze`, open for writing as long as this object lives: a thaw needs no path and no memory.
    package let freezeSwitch: CInt

    /// Makes a cgroup below this process's own.
    ///
    /// - Parameter name: of the new cgroup; it must not exist.
    /// - Throws: `unavailable` where no cgroup2 is mounted, or none that this process may divide and freeze.
    package convenience init(creating name: String) throws(FreezerError) {
        var refusal: SystemError?
        let candidates = try Self.candidates()
        for parent in candidates {
            do {
                let path = "\(parent)/\(name)"
                try systemCall("mkdir", path) { mkdir(path, 0o755) }
                do {
                    try self.init(path: path)
                    return
                } catch {
                    rmdir(path)
                    refusal = error
                }
            } catch {
                refusal = error
            }
        }
        let reason = candidates.isEmpty ? "no cgroup2 is mounted" : "no cgroup2 that may be divided here"
        throw FreezerError(.unavailable, reason, cause: refusal)
    }

    /// Opens an existing cgroup. Fails where it has no `cgroup.freeze`: Linux below 5.2, a cgroup1, or no cgroup at all.
    package init(path: String) throws(SystemError) {
        self.path = path
        let directory = try ProcFS.open(path, CInt(O_RDONLY) | CInt(O_DIRECTORY))
        let procs = try ProcFS.open("cgroup.procs", in: directory.raw, CInt(O_WRONLY))
        let freezeSwitch = try ProcFS.open("cgroup.freeze", in: directory.raw, CInt(O_WRONLY))
        self.directory = directory.release()
        self.procs = procs.release()
        self.freezeSwitch = freezeSwitch.release()
    }

    deinit {
        close(freezeSwitch)
        close(procs)
        close(directory)
    }

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
                let processes = try Self.processes(in: folder)
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

    /// Everyone in the cgroup and below it: an agent with the right to may have divided it.
    package func population() throws(SystemError) -> Population {
        var population = Population(processes: [], threads: 0)
        for folder in try Self.subtree(of: path) {
            population.processes += try Self.processes(in: folder)
            population.threads += try ProcFS.read("\(folder)/cgroup.threads").count { $0 == UInt8(ascii: "\n") }
        }
        return population
    }

    private static func processes(in folder: String) throws(SystemError) -> [ProcessID] {
        do {
            let text = try ProcFS.read("\(folder)/cgroup.procs")
            return text.split(separator: UInt8(ascii: "\n")).compactMap {
                ProcessID(String(decoding: $0, as: UTF8.self))
            }
        } catch  where error.errno == EOPNOTSUPP {
            return []  // a threaded cgroup: its domain, further up, lists the processes
        }
    }

    private static func subtree(of path: String) throws(SystemError) -> [String] {
        var result = [path]
        var index = 0
        while index < result.count {
            let folder = result[index]
            guard let stream = opendir(folder) else { throw SystemError("opendir", folder) }
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if entry.pointee.d_type == UInt8(DT_DIR), name != ".", name != ".." {
                    result.append("\(folder)/\(name)")
                }
            }
            index += 1
        }
        return result
    }
}
