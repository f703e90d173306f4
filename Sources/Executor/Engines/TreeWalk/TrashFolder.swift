private import CShims
private import Glibc
import RuntimeCore
private import Synchronization

/// Where trees are moved that are in the way of a clone, since removing them would take too long.
final class TrashFolder: Sendable {
    private let folder: CInt
    private let prefix: String
    private let count = Atomic<Int>(0)

    /// - Parameters:
    ///   - folder: on the same file system; not owned.
    ///   - prefix: begins the names that are given.
    init(_ folder: CInt, prefix: String) {
        self.folder = folder
        self.prefix = prefix
    }

    /// Moves a directory of a clone.
    func take(_ name: UnsafePointer<CChar>, of directory: CInt, path: () -> String) throws(SystemError) {
        let number = count.add(1, ordering: .relaxed).newValue
        if move(name, of: directory, number) { return }
        // Its entry `..` changes: that needs the right to write to it.
        if errno == EACCES, fchmodat(directory, name, 0o700, 0) == 0, move(name, of: directory, number) { return }
        throw SystemError("renameat2", path())
    }

    private func move(_ name: UnsafePointer<CChar>, of directory: CInt, _ number: Int) -> Bool {
        // 1: RENAME_NOREPLACE (renameat2(2)).
        retrying { wvs_renameat2(directory, name, folder, "\(prefix)-\(number)", 1) } == 0
    }
}
