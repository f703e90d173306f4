import Freezer
private import Glibc
import RuntimeCore
import Testing

@Suite struct FreezerTests {
    /// Writers that bear a child for each line, for as long as they live.
    private static func churn(in folder: String) -> String {
        "for i in 1 2 3 4; do (while :; do (echo line >> \(folder)/$i); done) & done; wait"
    }

    @Test("A tree that forks without pause writes not one byte while its cgroup is frozen, and goes on after")
    func cgroupHoldsForkingTree() throws {
        let folder = try ScratchFolder()
        let cgroup = try Cgroup(creating: "wvs-test-\(getpid())-churn")
        defer { #expect(throws: Never.self) { try cgroup.remove() } }
        let freezer = try CgroupV2Freezer(cgroup)
        let tree = try ShellProcess(Self.churn(in: folder.path), cgroup: cgroup.path)
        defer { withExtendedLifetime(tree) {} }
        #expect(eventually { folder.bytes > 1000 })
        for _ in 0..<5 {
            try freezer.freeze(until: .now + .seconds(5))
            let before = folder.bytes
            let population = try freezer.population()
            try ShellProcess.letOthersRun()
            #expect(folder.bytes == before)
            #expect(population.processes.count >= 5)
            #expect(population.threads >= population.processes.count)
            freezer.thaw()
            #expect(eventually { folder.bytes > before })
        }
    }

    @Test("The freezer of cgroup version 1 holds a forking tree as well, and its guardian lets it go")
    func oldCgroupHoldsForkingTree() throws {
        let folder = try ScratchFolder()
        let cgroup = try Cgroup(creating: "wvs-test-\(getpid())-old", .v1)
        defer { #expect(throws: Never.self) { try cgroup.remove() } }
        let freezer = try cgroup.freezer()
        #expect(freezer.method == .cgroup1)
        let guardian = try Guardian(freezeSwitch: cgroup.freezeSwitch, .v1)
        let tree = try ShellProcess(Self.churn(in: folder.path), cgroup: cgroup.path)
        defer { withExtendedLifetime(tree) {} }
        #expect(eventually { folder.bytes > 1000 })
        for _ in 0..<3 {
            try freezer.freeze(until: .now + .seconds(5))
            let before = folder.bytes
            #expect(freezer.contains(tree.pid))
            #expect(!freezer.contains(getpid()))
            #expect(try freezer.population().processes.count >= 5)
            try ShellProcess.letOthersRun()
            #expect(folder.bytes == before)
            freezer.thaw()
            #expect(eventually { folder.bytes > before })
        }
        try guardian.arm(until: .now + .milliseconds(300))
        try freezer.freeze(until: .now + .seconds(5))
        let before = folder.bytes
        #expect(eventually { folder.bytes > before })
        guardian.disarm()
    }

    @Test("A process that is born into a frozen cgroup does not run before the thaw")
    func newbornWaits() throws {
        let folder = try ScratchFolder()
        let cgroup = try Cgroup(creating: "wvs-test-\(getpid())-newborn")
        defer { #expect(throws: Never.self) { try cgroup.remove() } }
        let freezer = try CgroupV2Freezer(cgroup)
        try freezer.freeze(until: .now + .seconds(5))
        let late = try ShellProcess("echo late > \(folder.path)/late", cgroup: cgroup.path)
        defer { withExtendedLifetime(late) {} }
        #expect(try eventually { try freezer.population().processes == [late.pid] })
        try ShellProcess.letOthersRun()
        #expect(folder.bytes == 0)
        freezer.thaw()
        #expect(eventually { folder.bytes == 5 })
    }

    @Test("A cgroup goes without killing anyone: who is left moves to the parent")
    func removalKillsNobody() throws {
        let cgroup = try Cgroup(creating: "wvs-test-\(getpid())-removal")
        let sleeper = try ShellProcess("mkdir \(cgroup.path)/below; exec sleep 1000", cgroup: cgroup.path)
        #expect(
            try eventually {
                try access("\(cgroup.path)/below", F_OK) == 0 && cgroup.population().processes == [sleeper.pid]
            })
        #expect(try cgroup.remove() == 1)
        #expect(access(cgroup.path, F_OK) == -1)
        #expect(kill(sleeper.pid, 0) == 0)
    }

    @Test("SIGSTOP reaches every descendant, tells of each before, and spares who was stopped by others")
    func signalsReachDescendants() throws {
        let folder = try ScratchFolder()
        let tree = try ShellProcess(
            "for i in 1 2 3; do (while :; do echo line >> \(folder.path)/$i; done) & done; sleep 1000 & wait")
        #expect(try eventually { try ProcessTable.descendants(of: [tree.pid], except: []).count == 4 })
        let members = try ProcessTable.descendants(of: [tree.pid], except: [])
        let found = { members.first { (try? String(contentsOfProcess: $0)) == "sleep" } }
        #expect(eventually { found() != nil })
        let sleeper = try #require(found())
        kill(sleeper, SIGSTOP)
        #expect(eventually { ProcessTable.status(sleeper)?.state == UInt8(ascii: "T") })
        var announced: Set<ProcessID> = []
        let freezer = SignalFreezer(Descendants(of: tree.pid, except: [])) { announced.formUnion($0) }
        try freezer.freeze(until: .now + .seconds(5))
        #expect(announced == Set(members).subtracting([sleeper]))
        let before = folder.bytes
        try ShellProcess.letOthersRun()
        #expect(folder.bytes == before)
        freezer.thaw()
        #expect(eventually { folder.bytes > before })
        #expect(ProcessTable.status(sleeper)?.state == UInt8(ascii: "T"))
    }

    @Test("Processes below a spared one keep running")
    func sparedKeepRunning() throws {
        let tree = try ShellProcess("(while :; do :; done) & (while :; do :; done) & wait")
        #expect(try eventually { try ProcessTable.descendants(of: [tree.pid], except: []).count == 2 })
        let members = try ProcessTable.descendants(of: [tree.pid], except: [])
        let freezer = SignalFreezer(Descendants(of: tree.pid, except: [members[0]])) { _ in }
        try freezer.freeze(until: .now + .seconds(5))
        #expect(ProcessTable.status(members[0])?.state != UInt8(ascii: "T"))
        #expect(ProcessTable.status(members[1])?.state == UInt8(ascii: "T"))
        #expect(try freezer.population().processes == [members[1]])
        freezer.thaw()
    }
}

extension String {
    /// A process's name, as `/proc/<pid>/comm` has it.
    fileprivate init(contentsOfProcess pid: CInt) throws {
        let file = open("/proc/\(pid)/comm", O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { throw SystemError("read", "comm") }
        self = String(decoding: bytes[..<(count - 1)], as: UTF8.self)
    }
}
