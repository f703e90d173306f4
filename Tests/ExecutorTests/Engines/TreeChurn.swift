private import CShims
private import Glibc
import RuntimeCore
import TestSupport

@testable import Executor

/// Somebody who changes a tree in every way there is, while it is cloned and in between. Small, so that names meet again.
///
/// Each of its writers is a thread; they get in each other's way, so no call here has to succeed.
final class TreeChurn: Sendable {
    private let root: String
    private let seed: UInt64
    private let stopping = Mutex(false)

    init(_ root: String, seed: UInt64) {
        self.root = root
        self.seed = seed
    }

    private let steps = Mutex(0)

    /// How many changes have been tried.
    var count: Int { steps.withLock { $0 } }

    func stop() { stopping.withLock { $0 = true } }
    private var isStopping: Bool { stopping.withLock { $0 } }

    /// Files, directories, links and names, before anything runs.
    func fill() {
        var random = SplitMix64(state: seed)
        for index in 0..<12 { mkdir("\(root)/\(directory(index))", 0o755) }
        for _ in 0..<60 { create(place(&random), &random) }
        for _ in 0..<12 { link(place(&random), place(&random)) }
        let big = [UInt8](repeating: 1, count: Self.bigSize)
        write(big, to: "\(root)/big")
    }

    /// Starts two threads that change and one that stores.
    func start() throws -> [WorkerThread] {
        [
            try WorkerThread(name: "churn") { self.write(1) }, try WorkerThread(name: "churn") { self.write(2) },
            try WorkerThread(name: "churn") { self.store(3) },
        ]
    }

    /// One writer: changes until it is told to stop.
    private func write(_ number: UInt64) {
        var random = SplitMix64(state: seed &+ number &* 977)
        while !isStopping {
            step(&random)
            steps.withLock { $0 += 1 }
            // Leaves the processors to the clone, too.
            usleep(100)
        }
    }

    /// Stores through shared mappings without any call in between. All are unmapped before it ends: no list of open files
    /// tells of them.
    private func store(_ number: UInt64) {
        var random = SplitMix64(state: seed &+ number &* 1777)
        var mappings: [UnsafeMutablePointer<UInt8>] = []
        var stored: UInt8 = 0
        while !isStopping {
            if let mapping = map(place(&random)) { mappings.append(mapping) }
            if let mapping = map("\(root)/big") { mappings.append(mapping) }
            for _ in 0..<30 {
                stored = stored &+ 1
                for mapping in mappings { mapping[Int(random.state % 64)] = stored }
                usleep(10)
            }
            while mappings.count > 6 { munmap(mappings.removeFirst(), Self.page) }
        }
        for mapping in mappings { munmap(mapping, Self.page) }
    }

    private static let page = 4096
    private static let bigSize = 2 << 20

    private func map(_ path: String) -> UnsafeMutablePointer<UInt8>? {
        let file = wvs_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        // A store beyond the end would be a SIGBUS, also if somebody cuts the file later: see `cut`.
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size >= off_t(Self.page) else {
            return nil
        }
        let address = mmap(nil, Self.page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        return address == MAP_FAILED ? nil : address?.assumingMemoryBound(to: UInt8.self)
    }

    private func step(_ random: inout SplitMix64) {
        let (one, other) = (place(&random), place(&random))
        switch random.next() % 19 {
        case 0, 1: rewrite(one, &random)
        case 2:
            write([9, 8, 7], to: "\(root)/temporary")
            rename("\(root)/temporary", one)
        case 3: wvs_renameat2(AT_FDCWD, one, AT_FDCWD, other, 2)  // RENAME_EXCHANGE
        case 4: rename(one, other)
        case 5: link(one, other)
        case 6: unlink(one)
        case 7: retype(one, &random)
        case 8: chmod(one, [0o600, 0o644, 0o4755, 0o2700][Int(random.next() % 4)])
        case 9: chown(one, UInt32(random.next() % 3), UInt32(random.next() % 3))
        case 10: lsetxattr(one, "user.note", [UInt8(random.next() % 256)], 1, 0)
        case 11: lremovexattr(one, "user.note")
        case 12: setTimes(one, &random)
        case 13: punch(one, &random)
        case 14: cut(one, &random)
        case 15: moveDirectory(&random)
        case 16: changeDirectory("\(root)/\(directory(Int(random.next() % 12)))", &random)
        case 17: create(one, &random)
        default: rewriteBig(&random)
        }
    }

    private func directory(_ index: Int) -> String {
        ["a", "b", "c", "a/d", "a/e", "b/d", "a/d/f", "c/g", "c/g/h", "b/i", "c/k", "a/e/l"][index]
    }

    private func place(_ random: inout SplitMix64) -> String {
        let name = "n\(random.next() % 7)"
        let index = Int(random.next() % 13)
        return index == 12 ? "\(root)/\(name)" : "\(root)/\(directory(index))/\(name)"
    }

    private func write(_ bytes: [UInt8], to path: String) {
        let file = wvs_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { return }
        _ = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    private func create(_ path: String, _ random: inout SplitMix64) {
        // Never shorter than a page, so that mappings stay good; see `cut`.
        let count = Self.page + Int(random.next() % 9000)
        write([UInt8](repeating: UInt8(random.next() % 256), count: count), to: "\(path).new")
        rename("\(path).new", path)
    }

    /// The same size, and the time of modification put back.
    private func rewrite(_ path: String, _ random: inout SplitMix64) {
        let file = wvs_open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0)
        guard file >= 0 else { return }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return }
        var byte = UInt8(random.next() % 256)
        pwrite(file, &byte, 1, off_t(random.next() % UInt64(status.st_size)))
        futimens(file, [status.st_atim, status.st_mtim])
    }

    /// One call that takes its time: a clone may come in its middle.
    private func rewriteBig(_ random: inout SplitMix64) {
        let file = wvs_open("\(root)/big", O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0)
        guard file >= 0 else { return }
        let bytes = [UInt8](repeating: UInt8(random.next() % 256), count: Self.bigSize)
        _ = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        close(file)
    }

    private func retype(_ path: String, _ random: inout SplitMix64) {
        if unlink(path) != 0, errno == EISDIR { rmdir(path) }
        switch random.next() % 4 {
        case 0: mkdir(path, 0o750)
        case 1: symlink("somewhere \(random.next() % 100)", path)
        case 2: mkfifo(path, 0o640)
        default: create(path, &random)
        }
    }

    private func setTimes(_ path: String, _ random: inout SplitMix64) {
        let time = timespec(tv_sec: Int(random.next() % 2_000_000_000), tv_nsec: Int(random.next() % 1_000_000_000))
        utimensat(AT_FDCWD, path, [time, time], AT_SYMLINK_NOFOLLOW)
    }

    private func punch(_ path: String, _ random: inout SplitMix64) {
        let file = wvs_open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0)
        guard file >= 0 else { return }
        wvs_punch_hole(file, 0, off_t(4096 * (1 + random.next() % 2)))
        close(file)
    }

    private func cut(_ path: String, _ random: inout SplitMix64) {
        let file = wvs_open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0)
        guard file >= 0 else { return }
        ftruncate(file, off_t(Self.page) + off_t(random.next() % 30_000))
        close(file)
    }

    /// To another parent, and perhaps back again.
    private func moveDirectory(_ random: inout SplitMix64) {
        let from = "\(root)/\(directory(Int(random.next() % 12)))"
        let to = "\(root)/\(directory(Int(random.next() % 12)))"
        switch random.next() % 3 {
        case 0: wvs_renameat2(AT_FDCWD, from, AT_FDCWD, to, 2)
        case 1:
            rename(from, "\(to)/moved")
            rename("\(to)/moved", from)
        default:
            rename(from, "\(to)/moved\(random.next() % 3)")
            mkdir(from, 0o755)
        }
    }

    private func changeDirectory(_ path: String, _ random: inout SplitMix64) {
        switch random.next() % 6 {
        case 0: chmod(path, [0o755, 0o2775, 0o1777, 0o700][Int(random.next() % 4)])
        case 1: chown(path, UInt32(random.next() % 3), UInt32(random.next() % 3))
        case 2: lsetxattr(path, "user.note", [UInt8(random.next() % 256)], 1, 0)
        case 3: lremovexattr(path, "user.note")
        case 4: lsetxattr(path, "system.posix_acl_default", Self.acl, Self.acl.count, 0)
        default: lremovexattr(path, "system.posix_acl_default")
        }
    }

    /// u::rwx, u:7:rw-, g::r-x, m::rwx, o::--- (linux/posix_acl_xattr.h)
    private static let acl: [UInt8] =
        [2, 0, 0, 0] + [1, 0, 7, 0, 255, 255, 255, 255] + [2, 0, 6, 0, 7, 0, 0, 0] + [4, 0, 5, 0, 255, 255, 255, 255]
        + [16, 0, 7, 0, 255, 255, 255, 255] + [32, 0, 0, 0, 255, 255, 255, 255]
}
