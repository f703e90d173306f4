private import CInotifyTools
private import Glibc
import RuntimeCore

/// Tells when something below a workspace's `.wvs` has changed, by libinotifytools.
///
/// The library keeps its state in globals, so there is one of these in a process. It reports and never interprets: whoever is
/// told reads the control file.
final class ControlWatch {
    /// Readable after a change.
    let descriptor: CInt

    /// What is of interest in a folder.
    enum Interest {
        /// Texts that are written in place, folders that come.
        case contents
        /// Registrations too that are removed, or whose owner has died: its descriptor was open for writing.
        case registrations
    }

    init() throws(SidecarError) {
        let before = Self.instances()
        guard inotifytools_initialize() == 1 else {
            let cause = SystemError("inotify_init", errno: inotifytools_error())
            throw SidecarError(.machine, "inotify does not start", cause: cause)
        }
        guard let descriptor = Self.instances().subtracting(before).first else {
            inotifytools_cleanup()
            throw SidecarError(.machine, "the descriptor of libinotifytools cannot be found")
        }
        // The library has no accessor for it and opens it blocking and inheritable.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        self.descriptor = descriptor
    }

    deinit { inotifytools_cleanup() }

    /// Nil, and a word to the log, where there is no inotify.
    static func start(_ logger: Logger) -> ControlWatch? {
        do {
            return try ControlWatch()
        } catch {
            logger.warn("no inotify: control files are polled", [.error: LogValue(error)])
            return nil
        }
    }

    func add(_ folder: String, _ interest: Interest = .contents) throws(SystemError) {
        // DELETE_SELF, MOVE_SELF and UNMOUNT: the folder is not the one we know any more.
        var events = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT
        if interest == .registrations { events |= IN_DELETE | IN_CLOSE_WRITE }
        guard inotifytools_watch_file(folder, events) == 1 else {
            throw SystemError("inotify_add_watch", folder, errno: inotifytools_error())
        }
    }

    /// What has been reported.
    enum Changes: Equatable {
        case folders(Set<String>)
        /// More than the kernel kept.
        case everything

        func contains(_ folder: String) -> Bool {
            switch self {
            case .everything: true
            case .folders(let folders): folders.contains(folder)
            }
        }
    }

    /// Takes what has been reported.
    func drain() { _ = changes() }

    /// Takes what has been reported, as the folders that were added.
    func changes() -> Changes {
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { buffer in
            var folders: Set<String> = []
            var isComplete = true
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return isComplete ? .folders(folders) : .everything }
                var offset = 0
                while offset + MemoryLayout<inotify_event>.size <= count {
                    let event = UnsafeRawBufferPointer(buffer).loadUnaligned(
                        fromByteOffset: offset, as: inotify_event.self)
                    offset += MemoryLayout<inotify_event>.size + Int(event.len)
                    if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { isComplete = false }
                    guard let name = inotifytools_filename_from_wd(event.wd) else { continue }
                    var folder = String(cString: name)
                    // The library ends the names of folders with a slash.
                    if folder.hasSuffix("/") { folder.removeLast() }
                    folders.insert(folder)
                }
            }
        }
    }

    /// Whether a change in a watched `folder` is reported, and would be for one that any other process makes: the file system
    /// is a local one, and a file made here was noticed.
    func isProved(in folder: String) -> Bool {
        guard LocalFileSystem.holds(folder) else { return false }
        drain()
        let probe = "\(folder)/.inotify-probe-\(getpid())"
        let file = open(probe, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        close(file)
        unlink(probe)
        var poll = PollSet([descriptor])
        poll.wait(.milliseconds(100))
        drain()
        return poll.isReady(0)
    }

    private static func instances() -> Set<CInt> {
        var result: Set<CInt> = []
        guard let stream = opendir("/proc/self/fd") else { return [] }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var target = [CChar](repeating: 0, count: 64)
            let count = readlink("/proc/self/fd/\(name)", &target, target.count)
            let kind = "anon_inode:inotify"
            if count == kind.utf8.count, let number = CInt(name),
                zip(target, kind.utf8).allSatisfy({ UInt8(bitPattern: $0) == $1 })
            {
                result.insert(number)
            }
        }
        return result
    }
}
