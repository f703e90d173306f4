private import CShims
private import Glibc
private import Runtime
import RuntimeCore

/// `EXECUTOR_VOLUME`: how the right volume is known.
package enum VolumeSetting: Equatable, Sendable {
    /// A mount point, or a folder that has a volume's name already: a file system that is not mounted leaves neither.
    case auto
    /// Whatever is there when the executor first looks, a plain folder too.
    case any
    /// A mount point.
    case mount
    /// Only the volume with this name.
    case named(String)

    package init?(_ text: String) {
        switch text {
        case "auto": self = .auto
        case "any": self = .any
        case "mount": self = .mount
        case _ where Volume.isName(text): self = .named(text)
        default: return nil
        }
    }

    /// The one that is asked for; nil where any will do.
    var name: String? { if case .named(let name) = self { name } else { nil } }
}

/// A volume, and where it is mounted now.
struct Volume: Equatable, Sendable {
    /// What a mount is known by while it lasts.
    struct Place: Equatable, Sendable {
        private let device: UInt64
        private let root: UInt64
        private let mount: UInt64
        let isMountRoot: Bool

        init(of directory: Directory) throws(SystemError) {
            var status = stat()
            var mount: UInt64 = 0
            var isRoot: CInt = 0
            try systemCall("fstat", directory.path) { fstat(directory.raw, &status) }
            try systemCall("statx", directory.path) { wvs_mount_of(directory.raw, &mount, &isRoot) }
            device = UInt64(status.st_dev)
            root = UInt64(status.st_ino)
            self.mount = mount
            isMountRoot = isRoot != 0
        }
    }

    /// In the root of a volume: its name and a line feed.
    static let marker = ".wvs-volume"

    let name: String
    let place: Place

    /// 1 to 64 letters, digits, dots, dashes and underscores.
    static func isName(_ text: String) -> Bool {
        let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
        return (1...64).contains(text.utf8.count) && text.allSatisfy(allowed.contains)
    }

    /// The name in a volume's root; nil where it has none.
    static func name(in directory: Directory) throws -> String? {
        guard let bytes = try directory.readSmallFile(marker) else { return nil }
        let text = String(decoding: bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...], as: UTF8.self)
        guard isName(text) else { throw ForgedFile(path: directory.subject(marker), reason: "holds no volume's name") }
        return text
    }

    /// Names a volume for good. Where another executor was faster its name stands.
    static func give(_ directory: Directory, owner: Ownership) throws -> String {
        let name = UUIDv7.make()
        let fresh = "\(marker).\(name)"
        try directory.createSmallFile(fresh, Array((name + "\n").utf8), owner: owner)
        do {
            try directory.renameWithoutReplacing(fresh, to: directory, marker)
        } catch {
            try directory.unlink(fresh)
            if error.errno != EEXIST { throw error }
        }
        try directory.sync()
        return try self.name(in: directory) ?? name
    }
}
