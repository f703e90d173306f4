private import FoundationEssentials
private import Glibc
import RuntimeCore

/// What is mounted, as this process sees it (proc(5): mountinfo, fdinfo).
struct MountTable {
    struct Entry {
        let id: Substring
        /// The mount that it is mounted in.
        let parent: Substring
        /// The folder of its file system that is mounted.
        let root: Substring
        let path: String
        /// For example `fuse.juicefs`.
        let type: Substring

        fileprivate init?(_ line: Substring) {
            let fields = line.split(separator: " ")
            guard fields.count > 6, let separator = fields.firstIndex(of: "-"), fields.count > separator + 1 else {
                return nil
            }
            (id, parent, root, type) = (fields[0], fields[1], fields[3], fields[separator + 1])
            path = unescaped(fields[4])
        }
    }

    private let entries: [Entry]

    init() throws { entries = try text("/proc/self/mountinfo").split(separator: "\n").compactMap(Entry.init) }

    /// The mount that holds an open directory; nil where the table does not say.
    func entry(holding directory: CInt) throws -> Entry? {
        let lines = try text("/proc/self/fdinfo/\(directory)").split(separator: "\n")
        let id = lines.first { $0.hasPrefix("mnt_id:") }?.split(whereSeparator: \.isWhitespace).last
        return entries.first { $0.id == id }
    }

    /// Throws `NestedMount` where something is mounted below an open directory; for who does not go there himself.
    func refuseNested(in directory: CInt) throws {
        let mount = try entry(holding: directory)
        let folder = try Self.path(of: directory) + "/"
        guard let nested = entries.first(where: { $0.parent == mount?.id && $0.path.hasPrefix(folder) }) else { return }
        throw NestedMount(path: String(nested.path.dropFirst(folder.count)))
    }

    /// Where an open directory is, as this process sees it.
    static func path(of directory: CInt) throws(SystemError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let link = "/proc/self/fd/\(directory)"
        let length = try systemCall("readlink", link) { readlink(link, &buffer, buffer.count) }
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

/// Space, tab, line feed and backslash stand as octal numbers there.
private func unescaped(_ field: Substring) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")].reduce(String(field)) { text, pair in
        text.replacing(pair.0, with: pair.1)
    }
}
