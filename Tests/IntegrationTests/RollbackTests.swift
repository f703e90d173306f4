import Foundation
import JSON
import TestSupport
import Testing

extension Integration {
    @Suite struct RollbackTests {
        /// Everything that a tree can hold and a copy can lose.
        private static let furniture = """
            cd "$1" && mkdir -p deep/er sticky && chmod 1777 sticky
            printf 'first' > one && ln one deep/er/hard && ln -s ../one deep/soft && ln -s /nowhere dangling
            printf x | dd of=sparse bs=1 seek=3000000 2>/dev/null && printf y | dd of=sparse bs=1 seek=100 conv=notrunc 2>/dev/null
            printf secret > private && setfattr -n user.note -v kept private && chmod 0400 private
            cp /bin/true tool && chmod 4755 tool
            mkfifo pipe && touch -d '2001-02-03 04:05:06.123456789' one
            printf odd > "$(printf 'n\\303\\244me with\\nline')" && : > empty
            setfacl -m u:1234:r private 2>/dev/null || true
            touch -d '2002-03-04 05:06:07.987654321' deep/er deep .
            """

        @Test func theRolledBackTreeEqualsTheSnapshotWhileTheAgentWritesOn() async throws {
            var options = TestStack.Options()
            // The agent stays in a tree that would be removed two rollbacks later.
            options.environment["wvs-executor"] = ["EXECUTOR_LIVE_RETENTION": "10"]
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("back", uid: 1000)
                let tree = WorkspaceTree(stack, "back")
                try stack.startAgent(
                    "back",
                    command: [
                        "/bin/sh", "-c", "\(Self.furniture)\nexec \"$2\" run --workspace \"$3\" --stay --pause 0ms",
                        "sh", "\(tree.path)/\(try tree.current)", ProgramProcess.folder + "/demo-agent", tree.path,
                    ], sidecarOptions: ["--user", "1000:1000"])
                try await tree.awaitProgress()
                let old = try tree.current
                for round in 1...5 {
                    let snapshot = try await stack.snapshot("back").snapshotID
                    let frozen = "\(tree.path)/snapshots/\(snapshot)"
                    #expect(try tree.check(snapshot: snapshot).problems.isEmpty)
                    let task = try await stack.setCurrent("back", snapshot)
                    #expect(task["result"]?["noop"] == false)
                    // The agent stays in the tree in which it began, so that nothing changes the new one.
                    #expect(try tree.current != old, "round \(round)")
                    let differences = try TreeComparison.differences(frozen, "\(tree.path)/\(try tree.current)")
                    #expect(differences.isEmpty, "round \(round): \(differences)")
                    #expect(try FileManager.default.contentsOfDirectory(atPath: frozen).contains("sparse"))
                }
            }
        }
    }
}
