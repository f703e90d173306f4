private import Glibc
import RuntimeCore

/// The roots of a tree and of its clone, open.
final class CloneRoots: Sendable {
    private let source: FileDescriptor
    private let target: FileDescriptor
    private let name: String
    private let sourceName: String
    /// The folder that the source is in; its caller keeps it open.
    private let sourceFolder: CInt

    /// The folder that the clone is made in; its caller keeps it open.
    let folder: CInt

    /// Makes the target, which must not be there yet.
    init(from: CInt, _ source: String, to: CInt, _ target: String, _ root: TreeRoot) throws {
        self.source = try Self.open(from, source)
        try root.make(in: to, target)
        do {
            self.target = try Self.open(to, target)
        } catch {
            unlinkat(to, target, AT_REMOVEDIR)
            throw error
        }
        name = target
        folder = to
        sourceName = source
        sourceFolder = from
    }

    /// Takes away what the target has inherited.
    func makePlain() throws { try TreeRoot.makePlain(target.raw, name) }

    /// Throws `NestedMount` where something else is mounted over the source.
    func checkSource() throws { _ = try Self.open(sourceFolder, sourceName) }

    /// Lends the descriptors of both.
    func lend<Result>(_ body: (DirectoryPair) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(self) { try body(DirectoryPair(source: source.raw, target: target.raw)) }
    }

    static func open(_ parent: CInt, _ name: String) throws -> FileDescriptor {
        do {
            return try openBeneath(parent, name, flags: O_RDONLY | O_DIRECTORY)
        } catch {
            throw openingError(error.errno, path: name)
        }
    }
}
