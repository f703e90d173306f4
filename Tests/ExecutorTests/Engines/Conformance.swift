import TestSupport
import Testing

@testable import Executor

/// Which engine is held to its word on which file system.
struct Conformance: Sendable, CustomTestStringConvertible {
    let kind: ScratchFileSystem.Kind
    private let name: String
    /// Whether sources are ordinary directories, whatever the engine makes.
    private let plain: Bool
    /// For the root of a file system.
    private let makeEngine: @Sendable (String) throws -> any CloneEngine

    static let all: [Conformance] = [
        Conformance(.xfs, TreeWalkEngine.reflink(threads: 3)),
        Conformance(.xfs, "juicefs") { try JuiceFSStandIn($0).engine },
        Conformance(.btrfs, BtrfsEngine()),
        Conformance(.btrfs, BtrfsEngine(threads: 2), plain: true),
        Conformance(.btrfs, TreeWalkEngine.reflink()),
        Conformance(.ext4, TreeWalkEngine.copy(threads: 2)),
        Conformance(.tmpfs, TreeWalkEngine.copy()),
        Conformance(.xfs, TreeWalkEngine.copy(threads: 1)),
        Conformance(.folder, TreeWalkEngine.copy()),
    ].filter { ScratchFileSystem.canMount || !$0.kind.needsRoot }

    init(_ kind: ScratchFileSystem.Kind, _ engine: any CloneEngine, plain: Bool = false) {
        self.init(kind, engine.name, plain: plain) { _ in engine }
    }

    init(
        _ kind: ScratchFileSystem.Kind, _ name: String, plain: Bool = false,
        makeEngine: @escaping @Sendable (String) throws -> any CloneEngine
    ) {
        self.kind = kind
        self.name = name
        self.plain = plain
        self.makeEngine = makeEngine
    }

    var testDescription: String { "\(name) on \(kind)\(plain ? ", plain directories" : "")" }

    /// In a folder of the file system.
    func run(on fileSystem: ScratchFileSystem, _ folder: String = "run") throws -> CloneRun {
        try CloneRun("\(fileSystem.path)/\(folder)", engine: makeEngine(fileSystem.path), plain: plain)
    }
}
