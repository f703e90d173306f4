import Freezer
private import Glibc
import RuntimeCore
import Testing

@Suite struct GuardianTests {
    /// A frozen cgroup with a sleeper in it, and its guardian.
    private final class Scene {
        let cgroup: Cgroup
        let freezer: CgroupV2Freezer
        var guardian: Guardian?
        let sleeper: ShellProcess

        init(_ name: String) throws {
            cgroup = try Cgroup(creating: "wvs-test-\(getpid())-\(name)")
            freezer = try CgroupV2Freezer(cgroup)
            guardian = try Guardian(freezeSwitch: cgroup.freezeSwitch)
            sleeper = try ShellProcess("exec sleep 1000", cgroup: cgroup.path)
        }

        deinit {
            freezer.thaw()
            #expect(throws: Never.self) { try cgroup.remove() }
        }

        var isFrozen: Bool {
            let file = open("\(cgroup.path)/cgroup.freeze", O_RDONLY)
            defer { close(file) }
            var byte: UInt8 = 0
            return read(file, &byte, 1) == 1 && byte == UInt8(ascii: "1")
        }

        func armed(_ lease: Duration) throws -> Guardian {
            let guardian = try #require(guardian)
            try guardian.arm(until: .now + lease)
            try freezer.freeze(until: .now + .seconds(5))
            return guardian
        }
    }

    @Test("The guardian thaws when the lease ends, says so, and a late extension does not revive it")
    func lapses() throws {
        let scene = try Scene("lapse")
        let guardian = try scene.armed(.seconds(1))
        #expect(eventually { !scene.isFrozen })
        #expect(eventually { if case .lapsed? = guardian.nextEvent() { true } else { false } })
        #expect(!guardian.confirms(guardian.probe()))
        #expect(!guardian.extend(until: .now + .seconds(10)))
    }

    @Test("A stopped guardian does not keep its sidecar from ending")
    func isEndedWhileStopped() throws {
        let scene = try Scene("stopped")
        let pid = try #require(scene.guardian?.pid)
        kill(pid, SIGSTOP)
        scene.guardian = nil
        #expect(kill(pid, 0) == -1)
    }

    @Test("What stands frozen without a lease is not the guardian's to thaw")
    func leavesOthersFrozen() throws {
        let scene = try Scene("foreign")
        try scene.freezer.freeze(until: .now + .seconds(5))
        scene.guardian = nil
        #expect(scene.isFrozen)
    }

    @Test("What freezes after the lapse is thawed again until the lease is disarmed")
    func undoesLateFreeze() throws {
        let scene = try Scene("late")
        let guardian = try #require(scene.guardian)
        try guardian.arm(until: .now)
        #expect(eventually { !guardian.confirms(guardian.probe()) })
        // It may be thawed before it was seen to stand still.
        try? scene.freezer.freeze(until: .now + .milliseconds(10))
        #expect(eventually { !scene.isFrozen })
    }

    @Test("An extended lease holds beyond its first end")
    func extends() throws {
        let scene = try Scene("extend")
        let guardian = try scene.armed(.seconds(1))
        let firstEnd = MonotonicTime.now + .seconds(1)
        #expect(guardian.extend(until: .now + .seconds(60)))
        #expect(eventually { MonotonicTime.now > firstEnd })
        #expect(guardian.confirms(guardian.probe()))
        #expect(scene.isFrozen)
        scene.freezer.thaw()
        guardian.disarm()
        #expect(!guardian.confirms(guardian.probe()))
        #expect(guardian.nextEvent() == nil)
    }

    @Test("The guardian thaws when its owner goes, long before the lease ends")
    func thawsWhenOwnerGoes() throws {
        let scene = try Scene("owner")
        _ = try scene.armed(.seconds(600))
        scene.guardian = nil
        #expect(eventually { !scene.isFrozen })
    }

    @Test("A guardian continues the processes it was told of")
    func continuesProcesses() throws {
        let sleepers = try (0..<3).map { _ in try ShellProcess("exec sleep 1000") }
        var guardian: Guardian? = try Guardian()
        try guardian?.arm(until: .now + .seconds(600))
        try guardian?.watch(sleepers.map(\.pid))
        for sleeper in sleepers { kill(sleeper.pid, SIGSTOP) }
        #expect(eventually { sleepers.allSatisfy { ProcessTable.status($0.pid)?.state == UInt8(ascii: "T") } })
        guardian = nil
        #expect(eventually { sleepers.allSatisfy { ProcessTable.status($0.pid)?.state == UInt8(ascii: "S") } })
    }

    @Test("Without a guardian no lease can be armed, and none counts as held")
    func missesGuardian() throws {
        let guardian = try Guardian()
        kill(guardian.pid, SIGKILL)
        #expect(eventually { if case .gone? = guardian.nextEvent() { true } else { false } })
        #expect(throws: FreezerError.self) { try guardian.arm(until: .now + .seconds(1)) }
        #expect(!guardian.confirms(guardian.probe()))
    }
}
