private import CShims
private import Glibc
import RuntimeCore

/// Makes trees that hold a bit of everything a POSIX tree can hold; the same seed makes the same tree.
struct TreeGenerator {
    private var random: SplitMix64
    private let isRoot = geteuid() == 0
    private var files: [[CChar]] = []
    /// Entries that may not be changed, or only appended to (chattr(1)), below the root of the tree.
    private var flagged: [(path: [CChar], flag: CInt)] = []

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    /// Fills an empty directory: one of each kind first, then `count` entries at random.
    mutating func fill(_ path: String, count: Int) throws {
        let root = bytes(path)
        for kind in Kind.allCases { try make(kind, in: root) }
        var directories = [root]
        for _ in 0..<count {
            let parent = directories[pick(directories.count)]
            let kind = Kind.allCases[pick(Kind.allCases.count)]
            let made = try make(kind, in: parent)
            if kind == .directory, made.count < 2000 { directories.append(made) }
        }
        // A chain, a crowd, and times and modes of directories at the very end, when nothing changes them any more.
        var deep = root
        // 4095 bytes is as long as a path can be.
        for _ in 0..<40 where deep.count < 3500 {
            deep = try make(.directory, in: deep)
            directories.append(deep)
        }
        let wide = try make(.directory, in: root)
        directories.append(wide)
        for _ in 0..<700 { try make(.small, in: wide) }
        for directory in directories.reversed() { try decorate(directory, isDirectory: true) }
        guard isRoot else { return }
        for entry in directories.dropFirst() + files where pick(12) == 0 { try setFlag(entry, below: root) }
    }

    /// How many entries below `path`, a tree like the one made, carry the flag that they have there; and how many have one.
    func flags(keptBelow path: String) throws -> (kept: Int, all: Int) {
        let kept = try flagged.count { entry, flag in
            let file = try Self.open(join(bytes(path), entry))
            return try Self.flags(of: file.raw) & flag != 0
        }
        return (kept, flagged.count)
    }

    /// Where the file system has such flags.
    private mutating func setFlag(_ path: [CChar], below root: [CChar]) throws {
        guard try isRegularOrDirectory(path) else { return }
        let file = try Self.open(path)
        let flag: CInt = pick(2) == 0 ? 0x10 : 0x20  // FS_IMMUTABLE_FL, FS_APPEND_FL (linux/fs.h)
        do {
            var flags = try Self.flags(of: file.raw) | flag
            try check("FS_IOC_SETFLAGS") { ioctl(file.raw, 0x4008_6602, &flags) }
            flagged.append((Array(path[root.count...]), flag))
        } catch let error as SystemError where [ENOTTY, EOPNOTSUPP].contains(error.errno) {}
    }

    private static func open(_ path: [CChar]) throws -> FileDescriptor {
        FileDescriptor(owning: try systemCall("open") { wvs_open(path, O_RDONLY | O_CLOEXEC, 0) })
    }

    private static func flags(of file: CInt) throws -> CInt {
        var flags: CInt = 0
        try check("FS_IOC_GETFLAGS") { ioctl(file, 0x8008_6601, &flags) }
        return flags
    }

    private enum Kind: CaseIterable {
        case directory, empty, small, large, sparse, holeOnly, allocated, hardLink, symlink, danglingLink, fifo, socket,
            device, blockDevice, setuid, unreadable
    }

    @discardableResult
    private mutating func make(_ kind: Kind, in parent: [CChar]) throws -> [CChar] {
        let path = join(parent, name())
        switch kind {
        case .directory: try check("mkdir") { mkdir(path, 0o755) }
        case .empty: try makeFile(path, []) { _ in }
        case .small: try makeFile(path, content(1 + pick(5000))) { _ in }
        case .large: try makeFile(path, content(40_000 + pick(80_000))) { _ in }
        case .sparse:
            let tail = content(5000)
            try makeFile(path, content(100)) { file in
                try check("pwrite") { pwrite(file, tail, tail.count, 3 << 20) }
                try check("ftruncate") { ftruncate(file, (5 << 20) + 17) }
            }
        case .holeOnly: try makeFile(path, []) { file in try check("ftruncate") { ftruncate(file, 1_000_003) } }
        case .allocated:
            try makeFile(path, content(10)) { file in
                let code = posix_fallocate(file, 0, 200_000)
                if code != 0, code != EOPNOTSUPP { throw SystemError("posix_fallocate", errno: code) }
            }
        case .hardLink:
            guard !files.isEmpty else { return try make(.small, in: parent) }
            let existing = files[pick(files.count)]
            try check("link") { link(existing, path) }
            return path
        case .symlink: try check("symlink") { symlink("../some where/else", path) }
        case .danglingLink: try check("symlink") { symlink([CChar](repeating: 120, count: 1023) + [0], path) }
        case .fifo: try check("mkfifo") { mkfifo(path, 0o640) }
        case .socket: try check("mknod") { mknod(path, S_IFSOCK | 0o660, 0) }
        case .device where isRoot: try check("mknod") { mknod(path, S_IFCHR | 0o600, 0x103) }
        case .blockDevice where isRoot: try check("mknod") { mknod(path, S_IFBLK | 0o600, 0x700) }
        case .device, .blockDevice: try makeFile(path, content(3)) { _ in }
        case .setuid:
            try makeFile(path, content(50)) { _ in }
            if isRoot { try check("chown") { lchown(path, 1234, 4321) } }
            try check("chmod") { chmod(path, 0o6755) }
            try setCapability(path)
            return path
        case .unreadable:
            // Of somebody else, who alone may read it; only root can clone it.
            try check("mkdir") { mkdir(path, 0o755) }
            try make(.small, in: path)
            if isRoot {
                try check("chown") { lchown(path, 4321, 4321) }
                try check("chmod") { chmod(path, 0o000) }
            }
            return path
        }
        if kind != .directory {
            // Names of one special file, as of one regular file.
            if [.fifo, .socket, .symlink].contains(kind) || (isRoot && [.device, .blockDevice].contains(kind)) {
                files.append(path)
            }
            try decorate(path, isDirectory: false, isLink: kind == .symlink || kind == .danglingLink)
        }
        return path
    }

    private mutating func makeFile(_ path: [CChar], _ content: [UInt8], _ body: (CInt) throws -> Void) throws {
        let file = FileDescriptor(
            owning: try systemCall("open") { wvs_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644) })
        try check("write") { write(file.raw, content, content.count) }
        try body(file.raw)
        files.append(path)
    }

    /// Owner, mode, extended attributes, ACLs and times, each now and then.
    private mutating func decorate(_ path: [CChar], isDirectory: Bool, isLink: Bool = false) throws {
        if isRoot, pick(3) == 0 { try check("lchown") { lchown(path, UInt32(pick(5000)), UInt32(pick(5000))) } }
        if try !isLink && pick(4) == 0 && isRegularOrDirectory(path) {
            let value = content(pick(900))
            try check("setxattr") { setxattr(path, "user.näme \(pick(9))", value, value.count, 0) }
        }
        if !isLink, pick(3) == 0 {
            // Its owner can read it, so that a process without privileges can clone it; with a bit of everything else.
            try check("chmod") { chmod(path, UInt32(pick(0o10000)) | (isDirectory ? 0o700 : 0o400)) }
        }
        if !isLink, pick(5) == 0 { try setACL(path, "system.posix_acl_access") }
        if isDirectory, pick(3) == 0 { try setACL(path, "system.posix_acl_default") }
        if isRoot, pick(6) == 0 {
            try check("lsetxattr") { lsetxattr(path, "trusted.origin", [1, 0, 2], 3, 0) }
        }
        var times = [timespec(tv_sec: 0, tv_nsec: 0), timespec(tv_sec: 0, tv_nsec: 0)]
        for index in times.indices {
            // From 1901 on, and before 2038: what 32 bits hold is kept everywhere.
            times[index] = timespec(tv_sec: pick(4_000_000_000) - 2_000_000_000, tv_nsec: pick(1_000_000_000))
        }
        try check("utimensat") { utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) }
    }

    private func isRegularOrDirectory(_ path: [CChar]) throws -> Bool {
        var status = stat()
        try check("lstat") { lstat(path, &status) }
        return status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFDIR
    }

    /// A mask and a named user (posix_acl_xattr, linux/posix_acl_xattr.h).
    private mutating func setACL(_ path: [CChar], _ kind: String) throws {
        var value: [UInt8] = [2, 0, 0, 0]
        for (tag, permission, id) in [
            (1, 7, UInt32.max), (2, pick(8), UInt32(pick(5000))), (4, pick(8), .max), (16, pick(8), .max),
            (32, pick(8), .max),
        ] {
            value += [UInt8(tag), 0, UInt8(permission), 0]
            value += (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * UInt32($0))) }
        }
        try check("setxattr ACL") { setxattr(path, kind, value, value.count, 0) }
    }

    /// CAP_NET_BIND_SERVICE, permitted and effective (struct vfs_cap_data, version 2).
    private func setCapability(_ path: [CChar]) throws {
        guard isRoot else { return }
        let value: [UInt8] = [1, 0, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 14)
        try check("setxattr capability") { setxattr(path, "security.capability", value, value.count, 0) }
    }

    private mutating func content(_ length: Int) -> [UInt8] {
        let seed = UInt8(truncatingIfNeeded: random.next())
        return (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) ^ seed }
    }

    /// Every name is new; some are odd.
    private mutating func name() -> [CChar] {
        let tail = String(random.next(), radix: 36)
        switch pick(8) {
        case 0: return bytes("spaß & \"quotes\" \(tail)")
        case 1: return bytes("-rf \(tail)")
        case 2: return [-1, 10, 9, -128, 27] + bytes(tail)
        case 3: return bytes(String(repeating: "n", count: 255 - tail.utf8.count) + tail)
        case 4: return bytes(".hidden\\\(tail)")
        case 5: return bytes("..\(tail)")
        default: return bytes(tail)
        }
    }

    private mutating func pick(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    private func join(_ parent: [CChar], _ name: [CChar]) -> [CChar] { parent.dropLast() + [47] + name }
}

private func check<Result: SignedInteger>(_ call: String, _ body: () -> Result) throws(SystemError) {
    try systemCall(call, nil, body)
}

private func bytes(_ text: String) -> [CChar] { Array(text.utf8CString) }

/// A small generator whose sequence is its seed's (Steele, Lea and Flood, 2014).
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
