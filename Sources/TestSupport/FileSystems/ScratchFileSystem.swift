private import CShims
private import Glibc
import RuntimeCore

/// A file system of its own for a test, on a loop device, or just a folder.
///
/// However the test ends, and even if the process is killed, mount, loop device, image and folder go.
package struct ScratchFileSystem: Sendable {
    package enum Kind: String, CaseIterable, Sendable, CustomStringConvertible {
        /// With reflink.
        case xfs
        case ext4
        case btrfs
        case tmpfs
        /// A folder in the file system of `/tmp`; needs no root.
        case folder

        package var description: String { rawValue }
        /// What only root can make.
        package var needsRoot: Bool { self != .folder }
    }

    package let kind: Kind
    /// Where it is mounted; belongs to this process, mode 0755.
    package let path: String

    /// Whether this process may mount.
    package static var canMount: Bool { geteuid() == 0 }

    /// Makes a file system, lends it, and removes it.
    ///
    /// - Parameters:
    ///   - megabytes: its size; XFS takes no less than 300. A folder has none. Images are sparse.
    ///   - options: more words for mkfs.
    ///   - mounted: more options for mount.
    package static func with<Result>(
        _ kind: Kind, megabytes: Int = 512, options: [String] = [], mounted: [String] = [],
        _ body: (ScratchFileSystem) async throws -> Result
    ) async throws -> Result {
        let watcher = try Watcher()
        let result: Swift.Result<Result, any Error>
        do {
            let fileSystem = try await make(
                kind, megabytes: megabytes, options: options, mounted: mounted, in: watcher.folder)
            result = .success(try await body(fileSystem))
        } catch {
            result = .failure(error)
        }
        try await watcher.finish()
        return try result.get()
    }

    private static func make(
        _ kind: Kind, megabytes: Int, options: [String], mounted: [String], in folder: String
    ) async throws -> ScratchFileSystem {
        let path = "\(folder)/mnt"
        try systemCall("mkdir", path) { mkdir(path, 0o755) }
        let image = "\(folder)/image"
        switch kind {
        case .xfs: try await format(image, megabytes, ["mkfs.xfs", "-q", "-m", "reflink=1"] + options)
        case .ext4: try await format(image, megabytes, ["mkfs.ext4", "-q", "-O", "^has_journal"] + options)
        case .btrfs: try await format(image, megabytes, ["mkfs.btrfs", "-q"] + options)
        case .tmpfs: try await Command.run(["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m,mode=755", "none", path])
        case .folder: break
        }
        if [.xfs, .ext4, .btrfs].contains(kind) {
            // The loop device frees itself when it is unmounted.
            let mounted = (["loop"] + mounted).joined(separator: ",")
            try await Command.run(["mount", "-t", kind.rawValue, "-o", mounted, image, path])
            try systemCall("chmod", path) { chmod(path, 0o755) }
        }
        return ScratchFileSystem(kind: kind, path: path)
    }

    private static func format(_ image: String, _ megabytes: Int, _ words: [String]) async throws {
        let file = FileDescriptor(
            owning: try systemCall("open", image) { wvs_open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) })
        let raw = file.raw
        try systemCall("ftruncate", image) { ftruncate(raw, off_t(megabytes) << 20) }
        try await Command.run(words + [image])
    }
}

/// A process that cleans a folder up once nobody holds the other end of its pipe.
private struct Watcher: ~Copyable {
    let folder: String
    private let lifeline: FileDescriptor
    private let pid: CInt

    init() throws {
        var template = Array("/tmp/wvs-fs-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp") }
        let folder = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        try systemCall("chmod", folder) { chmod(folder, 0o755) }
        var ends: [CInt] = [0, 0]
        try systemCall("pipe2") { wvs_pipe2(&ends, O_CLOEXEC) }
        let ours = FileDescriptor(owning: ends[1])
        let theirs = FileDescriptor(owning: ends[0])
        // Whatever a test has mounted inside goes first. Never into a mount that would not go.
        let script = """
            cat
            while mountpoint -q "$0/mnt"; do umount -R "$0/mnt" || umount -R -l "$0/mnt" || exit 1; done
            chattr -R -f -i -a "$0" 2>/dev/null
            rm -rf --one-file-system "$0"
            """
        let pid = try Command.spawn(["sh", "-c", script, folder], input: theirs.raw)
        self.folder = folder
        self.pid = pid
        lifeline = ours
    }

    /// Has it clean up now, and waits until it has.
    consuming func finish() async throws {
        let (folder, pid) = (self.folder, self.pid)
        end(lifeline)
        try await eventually("\(folder) is removed", within: .seconds(60)) {
            var status: CInt = 0
            return waitpid(pid, &status, WNOHANG) != 0
        }
        guard access(folder, F_OK) != 0 else { throw NeverHappened(what: "\(folder) is removed") }
    }
}

private func end(_ descriptor: consuming FileDescriptor) {}
