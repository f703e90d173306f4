private import Glibc
private import RuntimeCore

/// A real file system of its own on a loop device; needs root. It is unmounted when this object goes, and at the latest with
/// the process.
package final class LoopFileSystem: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case xfs, ext4, btrfs
    }

    package let kind: Kind
    /// Where it is mounted.
    package let path: String
    private let folder: String

    private init(kind: Kind, path: String, folder: String) {
        self.kind = kind
        self.path = path
        self.folder = folder
    }

    /// - Parameter megabytes: its size; the image is sparse. XFS needs 300.
    package static func make(_ kind: Kind, megabytes: Int = 1024) async throws -> LoopFileSystem {
        let folder = try makeScratchFolder("wvs-\(kind.rawValue)")
        let path = "\(folder)/mount"
        let image = "\(folder)/image"
        let format =
            switch kind {
            case .xfs: ["mkfs.xfs", "-q", "-m", "reflink=1", image]
            case .ext4: ["mkfs.ext4", "-q", "-F", image]
            case .btrfs: ["mkfs.btrfs", "-q", image]
            }
        // Lazily: something may still stand in it.
        Lifeline.shared.atEnd("umount -l \(path) 2>/dev/null; rm -rf --one-file-system \(folder)")
        try await Command.run(["mkdir", path])
        try await Command.run(["truncate", "-s", "\(megabytes)M", image])
        try await Command.run(format)
        try await Command.run(["mount", "-o", "loop", image, path])
        return LoopFileSystem(kind: kind, path: path, folder: folder)
    }

    deinit {
        umount2(path, CInt(MNT_DETACH))
        unlink("\(folder)/image")
        rmdir(path)
        rmdir(folder)
    }
}

/// A new folder below the world's scratch folder that every user can enter.
package func makeScratchFolder(_ name: String) throws -> String {
    var template = Array("/tmp/\(name)-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", "/tmp") }
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    try systemCall("chmod", path) { chmod(path, 0o755) }
    return path
}
