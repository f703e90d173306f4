import CShims
import Foundation
import Glibc
import JSON
import TestSupport
import Testing

extension Integration {
    @Suite struct RollbackTests {
        /// Everything that a tree can hold and a copy can lose.
        private static let furniture = """
            set -e
            cd "$1"
            mkdir -p deep/er sticky
            chmod 1777 sticky
            printf 'first' > one
            ln one deep/er/hard
            ln -s ../one deep/soft
            ln -s /nowhere dangling
            printf x | dd of=sparse bs=1 seek=3000000 2>/dev/null
            printf y | dd of=sparse bs=1 seek=100 conv=notrunc 2>/dev/null
            printf secret > private
            setfattr -n user.note -v kept private
            setfacl -m u:1235:r private
            cp /bin/true tool
            chmod 4755 tool
            mkfifo pipe
            touch -d '2001-02-03 04:05:06.123456789' one
            printf odd > "$(printf 'n\\303\\244me with\\nline')"
            : > empty
            touch -d '2002-03-04 05:06:07.987654321' deep/er deep .
            """

        /// Processes with threads, and children that live for one step, which append, rename and replace. All stay in the tree in
        /// which they began, so that nothing changes the new one.
        private static let writers = """
            run() { "$2" run --workspace "$3" --stay --pause 0ms --threads 2 --name "$4"; }
            run "$@" a & run "$@" b &
            while sh -c 'echo line >> appended && mv -f appended renamed && cp renamed appended'; do :; done &
            wait
            """

        @Test func theRolledBackTreeEqualsTheSnapshotWhileTheAgentWritesOn() async throws {
            var options = TestStack.Options()
            // The agent stays in a tree that would be removed two rollbacks later.
            options.environment["wvs-executor"] = ["EXECUTOR_LIVE_RETENTION": "10"]
            try await withStack(options) { stack, _ in
                try await stack.createWorkspace("back", uid: 1234)
                let tree = WorkspaceTree(stack, "back")
                try stack.startAgent(
                    "back",
                    command: [
                        "/bin/sh", "-c", "\(Self.furniture)\n\(Self.writers)", "sh", "\(tree.path)/\(try tree.current)",
                        ProgramProcess.folder + "/demo-agent", tree.path,
                    ], sidecarOptions: ["--user", "1234:1234"])
                try await tree.awaitProgress()
                let first = try tree.current
                try await eventually("the children write") {
                    access("\(tree.path)/\(first)/renamed", F_OK) == 0
                }
                var old = first
                for round in 1...5 {
                    let snapshot = try await stack.snapshot("back").snapshotID
                    let frozen = "\(tree.path)/snapshots/\(snapshot)"
                    #expect(try tree.check(snapshot: snapshot).problems.isEmpty)
                    try expectFurniture(frozen)
                    let task = try await stack.setCurrent("back", snapshot)
                    #expect(task["result"]?["noop"] == false)
                    #expect(try tree.current != old, "round \(round)")
                    old = try tree.current
                    let differences = try TreeComparison.differences(frozen, "\(tree.path)/\(old)")
                    #expect(differences.isEmpty, "round \(round): \(differences)")
                    try await tree.awaitProgress("the agent writes on after rollback \(round)", in: first)
                }
            }
        }

        /// Two trees that both lack something are equal.
        private func expectFurniture(_ tree: String) throws {
            func status(_ name: String) throws -> stat {
                var status = stat()
                try #require(lstat("\(tree)/\(name)", &status) == 0, "\(name)")
                return status
            }
            let one = try status("one")
            #expect(one.st_nlink == 2)
            #expect(try status("deep/er/hard").st_ino == one.st_ino)
            #expect(one.st_uid == 1234 && one.st_gid == 1234)
            #expect(one.st_mtim.tv_nsec == 123_456_789)
            #expect(try status("tool").st_mode & 0o7777 == 0o4755)
            #expect(try status("sticky").st_mode & 0o7777 == 0o1777)
            #expect(try status("deep/er").st_mtim.tv_nsec == 987_654_321)
            #expect(try status("pipe").st_mode & S_IFMT == S_IFIFO)
            #expect(try status("dangling").st_mode & S_IFMT == S_IFLNK)
            let sparse = try status("sparse")
            #expect(sparse.st_size == 3_000_001 && sparse.st_blocks * 512 < 100_000, "\(sparse.st_blocks) blocks")
            #expect(getxattr("\(tree)/private", "user.note", nil, 0) == 4)
            #expect(getxattr("\(tree)/private", "system.posix_acl_access", nil, 0) > 0)
            #expect(try status("näme with\nline").st_size == 3)
        }
    }
}
