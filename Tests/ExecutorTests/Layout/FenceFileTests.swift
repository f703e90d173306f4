import Foundation
import Glibc
import RuntimeCore
import Testing

@testable import Executor

@Suite struct FenceFileTests {
    private let scratch: ScratchMount
    private let folder: Directory
    private var fence: FenceFile { FenceFile(in: folder) }

    init() throws {
        scratch = try ScratchMount()
        folder = try scratch.directory(".wvs")
    }

    @Test func aHigherFenceIsStoredAndRemembered() throws {
        try FenceFile.create(in: folder, fence: 3, owner: .own)
        try fence.raise(to: 7, durable: true)
        #expect(try fence.read() == 7)
        try fence.raise(to: .max, durable: false)
        #expect(try fence.read() == .max)
    }

    @Test func aLowerFenceIsRefusedSayingTheStoredOne() throws {
        try FenceFile.create(in: folder, fence: 7, owner: .own)
        #expect(throws: FencedOff(stored: 7)) { try fence.raise(to: 6, durable: false) }
        #expect(try fence.read() == 7)
    }

    @Test func anEqualFenceIsAllowed() throws {
        try FenceFile.create(in: folder, fence: 7, owner: .own)
        try fence.raise(to: 7, durable: false)
    }

    private func store(_ names: String...) throws {
        for name in names {
            _ = try scratch.directory(".wvs/fence")
            try scratch.write("", to: ".wvs/fence/\(name)")
        }
    }

    @Test func oneFileStandsForTheFenceAndTakesNoRoom() throws {
        try FenceFile.create(in: folder, fence: 1, owner: .own)
        let names = try folder.open("fence").names()
        #expect(names == ["00000000000000000001"])
        var before = stat()
        var after = stat()
        #expect(stat("\(scratch.path)/.wvs/fence/\(names[0])", &before) == 0)
        try fence.raise(to: 99, durable: false)
        #expect(stat("\(scratch.path)/.wvs/fence/00000000000000000099", &after) == 0)
        #expect(before.st_ino == after.st_ino && after.st_size == 0 && after.st_mode & 0o777 == 0o600)
    }

    @Test func ofSeveralFencesTheHighestCountsAndTheLowerOnesAreTidiedAway() throws {
        try store("00000000000000000003", "00000000000000000008", "00000000000000000005", ".nfs0001")
        #expect(try fence.read() == 8)
        #expect(throws: FencedOff(stored: 8)) { try fence.raise(to: 7, durable: false) }
        try fence.raise(to: 9, durable: false)
        #expect(try folder.open("fence").names().sorted() == [".nfs0001", "00000000000000000009"])
    }

    @Test func whoLosesTheRaceForTheFenceLooksAgain() async throws {
        try FenceFile.create(in: folder, fence: 1, owner: .own)
        // Each raises through values of its own; in the end the highest stands, and it never went down.
        let (fence, scratch) = (self.fence, self.scratch)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for start in UInt64(2)...4 {
                group.addTask {
                    for value in stride(from: start, through: 3000, by: 3) {
                        do { try fence.raise(to: value, durable: false) } catch is FencedOff { continue }
                    }
                }
            }
            group.addTask {
                var last: UInt64 = 0
                while last < 2998 {
                    let value = try #require(try fence.read(), "in \(scratch.path)")
                    #expect(value >= last)
                    last = value
                }
            }
            try await group.waitForAll()
        }
        #expect(try fence.read() == 3000)
    }

    @Test(arguments: ["", "99999999999999999999", "0000000000000000000x"])
    func aDamagedFenceIsNeverTakenForALowOne(name: String) throws {
        _ = try scratch.directory(".wvs/fence")
        if !name.isEmpty { try store("00000000000000000001", name) }
        #expect(throws: ForgedFile.self) { try fence.raise(to: 100, durable: false) }
    }

    @Test(arguments: ["fifo", "link", "file", "nothing"]) func whatIsNoFenceIsNamedAsSuch(kind: String) throws {
        let path = "\(scratch.path)/.wvs/fence"
        switch kind {
        case "fifo": #expect(mkfifo(path, 0o600) == 0)
        case "link":
            _ = try scratch.directory("target")
            #expect(symlink("../target", path) == 0)
        case "file": try scratch.write("00000000000000000001\n", to: ".wvs/fence")
        default: break
        }
        let error = #expect(throws: ForgedFile.self) { try fence.raise(to: 100, durable: false) }
        #expect(error?.path.hasSuffix(".wvs/fence") == true)
    }

    @Test func publishingIsRefusedOnceAHigherFenceIsStored() throws {
        try FenceFile.create(in: folder, fence: 7, owner: .own)
        try fence.raise(to: 8, durable: false)
        #expect(throws: FencedOff(stored: 8)) { try fence.commit(7) { Issue.record("renamed although fenced off") } }
    }

    @Test func aSourceThatVanishedUnderAHigherFenceMeansFencedOff() throws {
        try FenceFile.create(in: folder, fence: 7, owner: .own)
        #expect(throws: FencedOff(stored: 8)) {
            try fence.commit(7) {
                try fence.raise(to: 8, durable: false)
                throw SystemError("renameat2", errno: ENOENT)
            }
        }
    }

    @Test func aSourceThatVanishedThoughNobodyTookOverLeavesTheOutcomeUnknown() throws {
        try FenceFile.create(in: folder, fence: 7, owner: .own)
        #expect(throws: OutcomeUnknown.self) { try fence.commit(7) { throw SystemError("renameat2", errno: ENOENT) } }
    }
}
