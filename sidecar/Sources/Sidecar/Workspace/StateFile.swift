private import CShims
import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// What a sidecar notes on its own machine, so that a successor finds what it may have left frozen.
///
/// `<state directory>/<wsid>.json`; a second sidecar of one workspace on one machine takes `<wsid>.<pid>.json`.
struct StateFile {
    struct Note: Equatable {
        /// Under which the sidecar registered.
        var sidecar: String
        var mode: Registration.Mode
        /// How it freezes.
        var method: String
        var workspace: String
        var pid: CInt
        /// Of that process: a number comes back, this does not.
        var startTime: UInt64
        var guardian: CInt
        /// 0 where it is not known, as in the next.
        var guardianStartTime: UInt64
        /// The agent's main process; nil where there is none.
        var agent: CInt?
        var agentStartTime: UInt64 = 0
        var cgroup: String?
        /// Nobody else needs the cgroup.
        var hasMadeCgroup: Bool
        /// Processes that SIGSTOP went to, with their start times.
        var stopped: [Stopped] = []

        /// Of this process.
        init(
            sidecar: String, mode: Registration.Mode, method: String, workspace: String, guardian: CInt,
            cgroup: String?, hasMadeCgroup: Bool
        ) {
            self.sidecar = sidecar
            self.mode = mode
            self.method = method
            self.workspace = workspace
            pid = getpid()
            startTime = ProcessTable.status(getpid())?.startTime ?? 0
            self.guardian = guardian
            guardianStartTime = ProcessTable.status(guardian)?.startTime ?? 0
            self.cgroup = cgroup
            self.hasMadeCgroup = hasMadeCgroup
        }
    }

    struct Stopped: Equatable {
        var pid: CInt
        var startTime: UInt64
    }

    private let path: String
    private var note: Note

    /// Creates this sidecar's file.
    init(directory: String, wsid: String, _ note: Note) throws(SystemError) {
        self.note = note
        // A number comes back: a dead sidecar of the same one may have left its file.
        let endings = ["", ".\(getpid())"] + (1...99).map { ".\(getpid()).\($0)" }
        let free = endings.first { access("\(directory)/\(wsid)\($0).json", F_OK) == -1 && lastErrno == ENOENT }
        guard let free else { throw SystemError("create", "\(directory)/\(wsid).json", errno: EEXIST) }
        path = "\(directory)/\(wsid)\(free).json"
        try write()
    }

    /// Notes the agent's main process.
    mutating func note(agent: CInt?) throws(SystemError) {
        guard note.agent != agent else { return }
        note.agent = agent
        note.agentStartTime = agent.flatMap { ProcessTable.status($0)?.startTime } ?? 0
        try write()
    }

    /// Adds processes that are about to be stopped; those noted before stay as long as they live.
    mutating func add(_ stopped: [CInt]) throws(SystemError) {
        guard !stopped.isEmpty else { return }
        note.stopped.removeAll { ProcessTable.status($0.pid)?.startTime != $0.startTime || stopped.contains($0.pid) }
        note.stopped += stopped.compactMap { pid in
            ProcessTable.status(pid).map { Stopped(pid: pid, startTime: $0.startTime) }
        }
        try write()
    }

    func remove() throws(SystemError) { try systemCall("unlink", path) { unlink(path) } }

    /// The folder of the state files, made if need be. Below `/tmp` somebody else may have been there before: what one reads in
    /// another's folder is thawed, and what one writes there may be a link to anything.
    static func makeDirectory(_ path: String) throws(SystemError) {
        do {
            try systemCall("mkdir", path) { mkdir(path, 0o700) }
        } catch  where error.errno == EEXIST {
            // The link, if it is one, and where it leads.
            for flags in [AT_SYMLINK_NOFOLLOW, 0] {
                var status = stat()
                try systemCall("fstatat", path) { fstatat(AT_FDCWD, path, &status, flags) }
                guard status.st_uid == 0 || status.st_uid == geteuid() else {
                    throw SystemError("open", "\(path), which belongs to user \(status.st_uid)", errno: EPERM)
                }
            }
        }
    }

    /// `/run` for root, the user's own runtime folder for others.
    static func defaultDirectory(_ environment: [String: String]) -> String {
        if geteuid() == 0 { return "/run/wvs-sidecar" }
        return "\(environment["XDG_RUNTIME_DIR"] ?? "/tmp")/wvs-sidecar-\(geteuid())"
    }

    static let defaultDirectoryOrigin = "`/run/wvs-sidecar` for root, else below `XDG_RUNTIME_DIR`"

    /// Thaws what dead sidecars of this workspace have noted.
    ///
    /// - Returns: the dead, the latest last.
    static func release(directory: String, wsid: String, _ logger: Logger) throws(SystemError) -> [Estate] {
        var dead: [Estate] = []
        for file in try files(directory: directory, wsid: wsid) {
            guard let note = file.note else {
                logger.warn("a predecessor's state file is not understood", [.path: LogValue(file.path)])
                unlink(file.path)
                continue
            }
            if note.isOwnerAlive { continue }
            note.thaw(logger)
            dead.append(Estate(path: file.path, note: note))
        }
        return dead.sorted { $0.note.startTime < $1.note.startTime }
    }

    /// What a node's file has in place of a wsid.
    static let nodeName = "@node"

    /// The state files of a workspace, or of all, of the living and the dead.
    static func files(directory: String, wsid: String?) throws(SystemError) -> [(path: String, note: Note?)] {
        var result: [(path: String, note: Note?)] = []
        for name in try FolderNames.read(directory) {
            // A wsid holds no dot.
            guard name.hasSuffix(".json"), let owner = name.split(separator: ".").first,
                wsid == nil || wsid == String(owner)
            else { continue }
            result.append(("\(directory)/\(name)", Note(at: "\(directory)/\(name)")))
        }
        return result
    }

    /// What becomes the file at `path` once it is written.
    static func temporary(_ path: String) -> String { "\(path).new" }

    private func write() throws(SystemError) {
        let temporary = Self.temporary(path)
        do throws(SystemError) {
            let file = FileDescriptor(
                owning: try systemCall("open", temporary) {
                    wvs_open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
                })
            var text = note.text
            let written = try systemCall("write", temporary) {
                text.withUTF8 { Glibc.write(file.raw, $0.baseAddress, $0.count) }
            }
            guard written == text.utf8.count else { throw SystemError("write", temporary, errno: ENOSPC) }
            try systemCall("rename", path) { rename(temporary, path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }
}

extension StateFile.Note {
    var text: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", 1)
            writer.member("sidecar", sidecar)
            writer.member("mode", mode.rawValue)
            writer.member("method", method)
            writer.member("workspace", workspace)
            writer.member("pid", pid)
            writer.member("start_time", startTime)
            writer.member("guardian", guardian)
            writer.member("guardian_start_time", guardianStartTime)
            writer.member("agent", agent ?? 0)
            writer.member("agent_start_time", agentStartTime)
            writer.member("cgroup", cgroup ?? "")
            writer.member("made_cgroup", hasMadeCgroup)
            writer.name("stopped")
            writer.array { writer in
                for process in stopped {
                    writer.object { writer in
                        writer.member("pid", process.pid)
                        writer.member("start_time", process.startTime)
                    }
                }
            }
        }
        return writer.text + "\n"
    }

    init(parsing bytes: [UInt8]) throws(Malformed) {
        var members = try JSONMembers(try JSONReader.parse(bytes))
        try members.version(1)
        sidecar = try members.string("sidecar", limit: 64)
        mode = try members.choice("mode")
        method = try members.string("method", limit: 32)
        workspace = try members.string("workspace", limit: 4096)
        pid = try members.integer("pid", in: 1...CInt.max)
        startTime = try members.integer("start_time", in: 0...UInt64.max)
        guardian = try members.integer("guardian", in: 0...CInt.max)
        guardianStartTime = try members.integer("guardian_start_time", in: 0...UInt64.max, default: 0)
        let agent = try members.integer("agent", in: 0...CInt.max)
        self.agent = agent == 0 ? nil : agent
        agentStartTime = try members.integer("agent_start_time", in: 0...UInt64.max, default: 0)
        let cgroup = try members.string("cgroup", limit: 4096)
        self.cgroup = cgroup.isEmpty ? nil : cgroup
        hasMadeCgroup = try members.flag("made_cgroup")
        stopped = []
        for element in try members.elements("stopped", limit: 100_000) {
            var members = try JSONMembers(element)
            stopped.append(
                StateFile.Stopped(
                    pid: try members.integer("pid", in: 1...CInt.max),
                    startTime: try members.integer("start_time", in: 0...UInt64.max)))
            try members.finish()
        }
        try members.finish()
    }

    /// Nil for what is not such a file.
    fileprivate init?(at path: String) {
        guard let bytes = try? ProcFS.read(path), let note = try? Self(parsing: bytes) else { return nil }
        self = note
    }

    var isOwnerAlive: Bool { ProcessTable.status(pid)?.startTime == startTime }

    /// What is gone needs no thaw, and what runs is not harmed by one.
    fileprivate func thaw(_ logger: Logger) {
        logger.warn("a predecessor left no farewell: thawing what it noted", [.sidecar: LogValue(sidecar)])
        if let cgroup {
            do {
                try Cgroup(path: cgroup).thaw()
            } catch {
                // Gone with all who were in it, as a rule.
                logger.debug("a predecessor's cgroup cannot be thawed", [.error: LogValue(error)])
            }
        }
        for process in stopped where ProcessTable.status(process.pid)?.startTime == process.startTime {
            kill(process.pid, SIGCONT)
        }
        endGuardian(logger)
    }

    /// A guardian that was stopped would wake later and thaw what a successor has frozen, unknown to the successor's own.
    private func endGuardian(_ logger: Logger) {
        guard guardian > 1, let status = ProcessTable.status(guardian), status.parent != getpid(),
            guardianStartTime == 0 || status.startTime == guardianStartTime,
            let name = try? ProcFS.read("/proc/\(guardian)/comm"),
            String(decoding: name, as: UTF8.self) == "\(Guardian.processName)\n"
        else { return }
        kill(guardian, SIGKILL)
        logger.warn("a predecessor's guardian still lived: ended it", [.sidecar: LogValue(sidecar)])
    }
}
