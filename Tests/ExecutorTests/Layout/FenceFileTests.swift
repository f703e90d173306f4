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

    @Test func theFileKeepsItsInodeSoThatOtherMountsSeeTheFenceAtOnce() throws {
        try FenceFile.create(in: folder, fence: 1, owner: .own)
        let path = "\(scratch.path)/.wvs/fence"
        var before = stat()
        var after = stat()
        #expect(stat(path, &before) == 0)
        try fence.raise(to: 99, durable: false)
        #expect(stat(path, &after) == 0)
        #expect(before.st_ino == after.st_ino && after.st_size == 21 && after.st_mode & 0o777 == 0o600)
    }

    @Test(arguments: ["", "7\n", "0000000000000000000x\n", "00000000000000000007", "99999999999999999999\n"])
    func aDamagedFenceIsNeverTakenForALowOne(text: String) throws {
        try scratch.write(text, to: ".wvs/fence")
        #expect(throws: ForgedFile.self) { try fence.raise(to: 100, durable: false) }
    }

    @Test(arguments: ["fifo", "link", "folder", "huge", "nothing"]) func whatIsNoFenceFileIsNamedAsSuch(kind: String)
        throws
    {
        let path = "\(scratch.path)/.wvs/fence"
        switch kind {
        case "fifo": #expect(mkfifo(path, 0o600) == 0)
        case "link":
            try scratch.write("00000000000000000001\n", to: "target")
            #expect(symlink("../target", path) == 0)
        case "folder": #expect(mkdir(path, 0o700) == 0)
        case "huge": try scratch.write(String(repeating: "0", count: 70_000), to: ".wvs/fence")
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
