private import Glibc
import RuntimeCore
@testable import Sidecar
import TestSupport
import Testing

/// What a sidecar notes on its own machine.
@Suite struct StateFileTests {
    private func note() -> StateFile.Note {
        StateFile.Note(
            sidecar: "s-1", mode: .run, method: "sigstop", workspace: "/ws/agent-1", guardian: 0, cgroup: nil,
            hasMadeCgroup: false)
    }

    @Test("A folder of somebody else's is not used, nor a link of theirs")
    func foreignFolder() throws {
        let workspace = try TestWorkspace()
        let folder = "\(workspace.mount)/state"
        try StateFile.makeDirectory(folder)
        try StateFile.makeDirectory(folder)
        chown(folder, 4242, 4242)
        let error = #expect(throws: SystemError.self) { try StateFile.makeDirectory(folder) }
        #expect(error?.description.contains("belongs to user 4242") == true)
        let link = "\(workspace.mount)/link"
        #expect(symlink(workspace.mount, link) == 0)
        try StateFile.makeDirectory(link)
        lchown(link, 4242, 4242)
        #expect(throws: SystemError.self) { try StateFile.makeDirectory(link) }
    }

    @Test("A note that the disk has no room for leaves the one before, and nothing else")
    func fullDisk() async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 1) { fileSystem in
            var file = try StateFile(directory: fileSystem.path, wsid: "agent-1", note())
            let error = #expect(throws: SystemError.self) { try file.add(Array(repeating: getpid(), count: 40_000)) }
            #expect(error?.errno == ENOSPC)
            let files = try StateFile.files(directory: fileSystem.path, wsid: "agent-1")
            #expect(files.map(\.note?.sidecar) == ["s-1"])
            #expect(access(StateFile.temporary(files[0].path), F_OK) == -1)
        }
    }
}
