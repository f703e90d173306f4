private import Glibc
import RuntimeCore

/// A shell script as a process group of its own, killed with everything it started when this object goes.
final class ShellProcess {
    let pid: CInt

    /// - Parameter cgroup: the folder of the cgroup that it enters first.
    init(_ script: String, cgroup: String? = nil) throws {
        let entrance = cgroup.map { "echo $$ > \($0)/cgroup.procs; " } ?? ""
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let words = ["/bin/sh", "-c", entrance + script]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, words[0], nil, &attributes, arguments, environ)
        if code != 0 { throw SystemError("posix_spawn", words[0], errno: code) }
        pid = child
    }

    deinit {
        kill(-pid, SIGKILL)
        kill(-pid, SIGCONT)
        waitpid(pid, nil, 0)
    }

    /// Starts and ends processes one after the other: time in which anything that runs gets its turn.
    static func letOthersRun() throws {
        for _ in 0..<30 { waitpid(try ShellProcess(":").pid, nil, 0) }
    }
}

/// A folder below the temporary one, removed at the end.
final class ScratchFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/wvs-freezer-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp") }
        path = String(cString: made)
    }

    deinit {
        if let remover = try? ShellProcess("rm -rf '\(path)'") { waitpid(remover.pid, nil, 0) }
    }

    /// The sizes of all its files together.
    var bytes: Int {
        var total = 0
        guard let stream = opendir(path) else { return 0 }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var status = stat()
            if lstat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG { total += status.st_size }
        }
        return total
    }
}

/// Waits until something is so; false when it is not in time.
func eventually(within limit: Duration = .seconds(20), _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = MonotonicTime.now + limit
    while try !condition() {
        if MonotonicTime.now >= deadline { return false }
        usleep(500)
    }
    return true
}
