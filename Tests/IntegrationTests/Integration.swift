import Foundation
import TestSupport
import Testing

/// Tests of the programs as processes. One after the other: each has a whole stack to itself and measures freezes on a machine
/// with few cores.
@Suite(.serialized) struct Integration {}

/// Lends a stack of its own, on a database and a file system of its own.
func withStack(
    _ options: TestStack.Options = TestStack.Options(), on kind: ScratchFileSystem.Kind = .xfs,
    _ body: (TestStack, TestDatabase) async throws -> Void
) async throws {
    try await TestDatabase.with { database in
        try await ScratchFileSystem.with(kind, megabytes: 2048) { fileSystem in
            let mount = "\(fileSystem.path)/ws"
            try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: false)
            let stack = try await TestStack(database: database, mount: mount, options: options)
            defer { stack.end() }
            try await body(stack, database)
        }
    }
}

extension TestStack {
    /// A file beside the workspaces for the agent's ticker, in a folder into which every user may write.
    func tickerFile() throws -> String {
        let folder = (mount as NSString).deletingLastPathComponent + "/ticker"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o777])
        // The mask of this process does not count for the agent's user.
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder)
        return folder + "/gaps"
    }
}
