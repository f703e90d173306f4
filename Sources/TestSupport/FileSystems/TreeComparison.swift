private import CShims
private import Glibc
import RuntimeCore

/// Compares two trees in all that a clone has to keep: names, types, content byte for byte, holes, owner, mode, time of
/// modification in nanoseconds, extended attributes with ACLs, destinations of links, device numbers, and which names are
/// hard links to the same file.
///
/// It shares no code with the engines. Trees are as deep as descriptors allow.
package struct TreeComparison {
    private var found: [String] = []
    private let limit: Int
    /// The first name of each file with several names.
    private var firstNames: [[Inode: String]] = [[:], [:]]

    private struct Inode: Hashable {
        let device: UInt
        let number: UInt
    }

    /// What differs, a line each, at most `limit`; nothing where the trees are the same.
    package static func differences(_ left: String, _ right: String, limit: Int = 20) throws -> [String] {
        var comparison = TreeComparison(limit: limit)
        try comparison.compare(
            TreeEntry(at: AT_FDCWD, Array(left.utf8CString), path: left),
            TreeEntry(at: AT_FDCWD, Array(right.utf8CString), path: left))
        return comparison.found
    }

    private init(limit: Int) { self.limit = limit }

    private mutating func report(_ what: String, _ entry: TreeEntry) {
        if found.count < limit { found.append("\(entry.path): \(what)") }
    }

    private mutating func check<Value: Equatable>(
        _ what: String, _ entry: TreeEntry, _ left: Value, _ right: Value
    ) {
        if left != right { report("\(what) \(left), in the other tree \(right)", entry) }
    }

    private mutating func compare(_ left: TreeEntry, _ right: TreeEntry) throws {
        check("type", left, left.kind, right.kind)
        guard left.kind == right.kind else { return }
        check("mode", left, String(left.status.st_mode, radix: 8), String(right.status.st_mode, radix: 8))
        check("uid", left, left.status.st_uid, right.status.st_uid)
        check("gid", left, left.status.st_gid, right.status.st_gid)
        check("mtime", left, left.modified, right.modified)
        try check("xattrs", left, left.attributes(), right.attributes())
        switch left.kind {
        case .directory: try compareEntries(left, right)
        case .regular: try compareContent(left, right)
        case .link: try check("destination", left, left.destination(), right.destination())
        case .device: check("device", left, left.status.st_rdev, right.status.st_rdev)
        case .fifo, .socket: break
        }
        if left.kind != .directory { compareNames(left, right) }
    }

    private mutating func compareNames(_ left: TreeEntry, _ right: TreeEntry) {
        let inodes = [left, right].map { Inode(device: UInt($0.status.st_dev), number: UInt($0.status.st_ino)) }
        let names = (0...1).map { firstNames[$0][inodes[$0], default: left.path] }
        check("same file as", left, names[0], names[1])
        for tree in 0...1 { firstNames[tree][inodes[tree]] = names[tree] }
    }

    private mutating func compareEntries(_ left: TreeEntry, _ right: TreeEntry) throws {
        let names = try (left.entries(), right.entries())
        for name in names.0.subtracting(names.1) { report("has \(text(name)), the other tree has not", left) }
        for name in names.1.subtracting(names.0) { report("lacks \(text(name)), the other tree has it", left) }
        let one = try left.open()
        let other = try right.open()
        for name in names.0.intersection(names.1).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            guard found.count < limit else { return }
            let path = "\(left.path)/\(text(name))"
            try compare(
                TreeEntry(at: one.raw, name, path: path), TreeEntry(at: other.raw, name, path: path))
        }
    }

    private mutating func compareContent(_ left: TreeEntry, _ right: TreeEntry) throws {
        check("size", left, left.status.st_size, right.status.st_size)
        guard left.status.st_size == right.status.st_size else { return }
        let one = try left.open()
        let other = try right.open()
        if try dataRanges(one.raw) != dataRanges(other.raw) {
            // Preallocated blocks that were read count as data for as long as they are in memory.
            try dropCache(one.raw)
            try dropCache(other.raw)
            try check("data at", left, dataRanges(one.raw), dataRanges(other.raw))
        }
        var buffers = ([UInt8](repeating: 0, count: 1 << 18), [UInt8](repeating: 0, count: 1 << 18))
        var offset = 0
        while offset < Int(left.status.st_size) {
            let counts = (
                pread(one.raw, &buffers.0, buffers.0.count, off_t(offset)),
                pread(other.raw, &buffers.1, buffers.1.count, off_t(offset))
            )
            guard counts.0 > 0, counts.0 == counts.1 else { return report("cannot be read at \(offset)", left) }
            if memcmp(buffers.0, buffers.1, counts.0) != 0 {
                return report("content differs between \(offset) and \(offset + counts.0)", left)
            }
            offset += counts.0
        }
    }
}
