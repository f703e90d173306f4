private import Glibc
import RuntimeCore

/// `/proc/<pid>/mountinfo`: where file systems are mounted, see proc_pid_mountinfo(5).
struct MountTable {
    struct Mount {
        /// What `mnt_id` of an open file refers to.
        let id: Int
        /// `major:minor` of the file system as a whole.
        let device: String
        /// Which of its folders is mounted.
        let root: String
        let mountPoint: String
        let fileSystem: String
        /// What is mounted, as the file system calls it; two mounts of one volume have the same.
        let source: String
        /// Those of the file system, such as the controllers of a cgroup1 hierarchy.
        let options: [Substring]
    }

    let mounts: [Mount]

    private init(mounts: [Mount]) { self.mounts = mounts }

    init(process: String = "self") throws(SystemError) {
        self.init(text: try ProcFS.read("/proc/\(process)/mountinfo"))
    }

    init(text bytes: [UInt8]) {
        mounts = bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 1, let id = Int(fields[0])
            else { return nil }
            return Mount(
                id: id, device: fields[2], root: unescaped(fields[3]), mountPoint: unescaped(fields[4]),
                fileSystem: fields[dash + 1], source: fields.count > dash + 2 ? unescaped(fields[dash + 2]) : "",
                options: fields[fields.count - 1].split(separator: ","))
        }
    }

    /// What a process has mounted; nil once it is gone, or on its way: it has given up its namespaces then (EINVAL), and its files
    /// before.
    static func seen(by process: ProcessID) throws(SystemError) -> MountTable? {
        do {
            return try MountTable(process: String(process))
        } catch  where [ENOENT, ESRCH, EINVAL].contains(error.errno) {
            return nil
        }
    }

    /// The same mounts as they are called from outside the chroot whose table this is.
    func within(_ root: String) -> MountTable {
        MountTable(
            mounts: mounts.map { mount in
                let point = mount.mountPoint == "/" ? root : root + mount.mountPoint
                return Mount(
                    id: mount.id, device: mount.device, root: mount.root, mountPoint: point,
                    fileSystem: mount.fileSystem, source: mount.source, options: mount.options)
            })
    }

    /// The mount that `path` is reached through: the last of those with the longest fitting mount point, which hides the others.
    func mount(of path: String) -> Mount? {
        mounts.filter { path.isBelow($0.mountPoint) }.reduce(nil) { best, next in
            guard let best else { return next }
            return next.mountPoint.utf8.count >= best.mountPoint.utf8.count ? next : best
        }
    }
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
private func unescaped(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\\"), let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8) {
            bytes.append(value)
            rest = rest.dropFirst(3)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

extension String {
    /// Whether this path is `folder` or lies in it.
    func isBelow(_ folder: String) -> Bool {
        folder == "/" || self == folder
            || (hasPrefix(folder) && utf8.dropFirst(folder.utf8.count).first == UInt8(ascii: "/"))
    }

    /// The folder that holds this path.
    var parentFolder: String {
        guard let slash = lastIndex(of: "/"), slash != startIndex else { return "/" }
        return String(self[..<slash])
    }
}

extension MountTable {
    /// Where `path` lies within its file system: the same in every container that mounts a part of it.
    func place(of path: String) -> WorkspaceFiles.Place? {
        guard let mount = mount(of: path) else { return nil }
        let inside = mount.mountPoint == "/" ? path : String(path.dropFirst(mount.mountPoint.count))
        let root = mount.root == "/" ? "" : mount.root
        return WorkspaceFiles.Place(device: mount.device, path: root + inside)
    }
}
