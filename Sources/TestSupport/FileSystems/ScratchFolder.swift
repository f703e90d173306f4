private import Glibc
import RuntimeCore

/// A folder of its own for a test, removed with this object.
package final class ScratchFolder: Sendable {
    package let path: String
    // Keeps the file system that it lies on.
    private let fileSystem: LoopFileSystem?

    private init(path: String, fileSystem: LoopFileSystem?) {
        self.path = path
        self.fileSystem = fileSystem
    }

    /// On the XFS with reflinks that all tests of this process share. Needs root.
    package static func reflink() async throws -> ScratchFolder {
        let fileSystem = try await SharedFileSystem.instance.get()
        let folder = try await Command.run(["mktemp", "-d", "-p", fileSystem.path, "test-XXXXXX"]).filter { $0 != "\n" }
        try systemCall("chmod", folder) { chmod(folder, 0o755) }
        return ScratchFolder(path: folder, fileSystem: fileSystem)
    }

    /// On whatever file system /tmp is.
    package static func plain() async throws -> ScratchFolder {
        let folder = try makeScratchFolder("wvs-test")
        Lifeline.shared.atEnd("rm -rf --one-file-system \(folder)")
        return ScratchFolder(path: folder, fileSystem: nil)
    }

    deinit {
        do { _ = try Command.spawn(["rm", "-rf", "--one-file-system", path]) } catch {}
    }

    /// A folder in it into which everybody may write.
    package func openFolder(_ name: String) throws -> String {
        let folder = "\(path)/\(name)"
        try systemCall("mkdir", folder) { mkdir(folder, 0o777) }
        try systemCall("chmod", folder) { chmod(folder, 0o777) }
        return folder
    }
}

private actor SharedFileSystem {
    static let instance = SharedFileSystem()

    private var making: Task<LoopFileSystem, any Error>?

    func get() async throws -> LoopFileSystem {
        let task = making ?? Task { try await LoopFileSystem.make(.xfs, megabytes: 8192) }
        making = task
        return try await task.value
    }
}
