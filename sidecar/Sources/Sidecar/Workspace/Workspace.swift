private import CShims
import Freezer
private import Glibc
import RuntimeCore

/// A workspace's folder, once it is there.
struct Workspace {
    /// The folder's name.
    let wsid: String
    /// Without links.
    let path: String
    var controlDirectory: String { "\(path)/.wvs" }

    /// Design section 2: `^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`.
    static func isValid(wsid: String) -> Bool {
        let bytes = wsid.utf8
        func isLetterOrDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard (3...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isLetterOrDigit(first) && isLetterOrDigit(last)
            && bytes.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    /// - Returns: nil while the executor has not made it, or not all of it.
    init?(at given: String) throws(SidecarError) {
        guard let resolved = realpath(given, nil) else {
            if lastErrno == ENOENT { return nil }
            throw SidecarError(.workspace, "the workspace cannot be reached", cause: SystemError("realpath", given))
        }
        defer { free(resolved) }
        path = String(cString: resolved)
        wsid = path.split(separator: "/").last.map(String.init) ?? ""
        guard Self.isValid(wsid: wsid) else {
            throw SidecarError(.workspace, "\(path) is not a workspace: its name is not a wsid")
        }
        // `current` comes last: with it the workspace is whole.
        for part in ["\(path)/.wvs", "\(path)/current/."] where access(part, F_OK) == -1 {
            if lastErrno == ENOENT { return nil }
            throw SidecarError(.workspace, "the workspace cannot be reached", cause: SystemError("access", part))
        }
    }

    /// What tells its files from others, as of now: on btrfs each new live tree is a device of its own.
    func files() throws(SystemError) -> WorkspaceFiles { try WorkspaceFiles(workspace: path) }

    /// A sandbox that mounts `…/current` itself is pinned to one live tree: snapshots would miss what it writes after the next
    /// set_current.
    func refusePinnedMounts() throws(SidecarError) {
        let pinned: WorkspaceFiles.PinnedMount?
        do {
            pinned = try files().pinnedMount()
        } catch {
            throw SidecarError(.workspace, "the mount table cannot be read", cause: error)
        }
        if let pinned { throw SidecarError(.workspace, pinned.refusal) }
    }

    /// Opens `.wvs` for the protocol.
    func openControlDirectory() throws(SidecarError) -> FileDescriptor {
        // As a link it could lead to another workspace's.
        try open(controlDirectory, flags: O_RDONLY | O_NOFOLLOW, "the control directory cannot be opened by this user")
    }

    /// Whether the control directory that was opened has been removed, and another one is ready in its place.
    func hasReplaced(_ control: CInt) -> Bool {
        var status = stat()
        guard fstat(control, &status) == 0, status.st_nlink == 0 else { return false }
        guard lstat(controlDirectory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return false }
        // It comes last.
        return access("\(controlDirectory)/control.json", F_OK) == 0
    }

    /// Opens the live tree, for the agent to start in.
    func openCurrent() throws(SidecarError) -> FileDescriptor {
        try open("\(path)/current/.", flags: CInt(WVS_O_PATH), "the live tree cannot be opened")
    }

    private func open(_ path: String, flags: CInt, _ message: String) throws(SidecarError) -> FileDescriptor {
        do {
            return FileDescriptor(
                owning: try systemCall("open", path) { wvs_open(path, flags | O_DIRECTORY | O_CLOEXEC, 0) })
        } catch {
            throw SidecarError(.workspace, message, cause: error)
        }
    }

    /// What `current` points at, as this process sees it; nil where it sees none.
    func current() -> String? { Self.target(of: "\(path)/current") }

    /// Whether `current` is `target` as this process sees it.
    func isCurrent(_ target: String) -> Bool { Self.isCurrent(target, in: path) }

    /// Whether `current` is `target` as a process sees it, which may have mounted the workspace elsewhere. On a local file
    /// system all see the same.
    func isCurrent(_ target: String, seenBy process: CInt?, of files: WorkspaceFiles?) -> Bool {
        guard let process, let files, !files.isLocal else { return isCurrent(target) }
        return files.names(of: path, seenBy: process).contains {
            Self.isCurrent(target, in: "/proc/\(process)/root\($0)")
        }
    }

    private static func isCurrent(_ target: String, in folder: String) -> Bool {
        if self.target(of: "\(folder)/current") == target { return true }
        // A mount of a network file system goes on showing the link that it knows (1 s, measured on JuiceFS). Listing the folder
        // makes the kernel look at every name in it anew, for all who use this mount.
        guard let stream = opendir(folder) else { return false }
        while readdir(stream) != nil {}
        closedir(stream)
        return self.target(of: "\(folder)/current") == target
    }

    private static func target(of link: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &target, target.count)
        guard count > 0 else { return nil }
        return String(decoding: target[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
