import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// Who is attached, who is dead, and who can not be told from the living.
@Suite struct RegistrationTests {
    private let scratch: ControlScratch
    private var folder: RegistrationFolder { RegistrationFolder(control: scratch.directory) }

    init() throws { scratch = try ControlScratch() }

    private func registration(_ id: String) -> Registration {
        Registration(id: id, mode: .run, method: .cgroup2, host: "host", pid: 1)
    }

    @Test func `a registration lives as long as its lock, and a newcomer removes it after that`() throws {
        #expect(!folder.everAttached)
        do {
            let lock = try folder.register(registration("one"))
            #expect(try folder.entries().map(\.isLiving) == [true])
            _ = consume lock
        }
        let left = try folder.entries()
        #expect(left.map(\.id) == ["one"])
        #expect(left.map(\.isLiving) == [false])
        let lock = try folder.register(registration("two"))
        #expect(try folder.entries().map(\.id) == ["two"])
        #expect(folder.everAttached)
        _ = consume lock
    }

    @Test func `a registration that nobody understands counts as long as somebody holds it`() throws {
        let path = "\(scratch.path)/sidecars/strange.json"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        try #require(flock(file, LOCK_EX) == 0)
        let entries = try folder.entries()
        #expect(entries == [.init(id: "strange", isLiving: true, registration: nil)])
        #expect(try Participant.others(than: "me", controlDirectory: scratch.descriptor).map(\.id) == ["strange"])
    }

    @Test func `what can not be opened counts as living`() throws {
        try #require(mkfifo("\(scratch.path)/sidecars/pipe.json", 0o600) == 0)
        #expect(try folder.entries().map(\.isLiving) == [true])
    }

    @Test func `names that are no ids are nobody's`() throws {
        for name in [".new-one", "no-suffix", "sp ace.json", String(repeating: "x", count: 49) + ".json"] {
            close(open("\(scratch.path)/sidecars/\(name)", O_RDWR | O_CREAT, 0o600))
        }
        #expect(try folder.entries() == [])
    }

    @Test func `a sidecar whose registration was removed registers again, and removes nobody`() throws {
        let sidecar = try SidecarThread(scratch, id: "one")
        let dead = "\(scratch.path)/sidecars/dead.json"
        close(open(dead, O_RDWR | O_CREAT, 0o600))
        let path = "\(scratch.path)/sidecars/one.json"
        // Removed, and replaced by another file of the same name.
        for replacement in [false, true] {
            #expect(unlink(path) == 0)
            if replacement { close(open(path, O_RDWR | O_CREAT, 0o600)) }
            #expect(eventually { (try? folder.entries().first { $0.id == "one" }?.isLiving) == true })
        }
        #expect(access(dead, F_OK) == 0)
        try sidecar.stop()
        #expect(try folder.entries().map(\.id) == ["dead"])
    }

    @Test func `more files than registrations can be are an error, not an end of the list`() throws {
        for index in 0..<1001 { close(open("\(scratch.path)/sidecars/\(index).json", O_RDWR | O_CREAT, 0o600)) }
        #expect(throws: SystemError.self) { try folder.entries() }
    }

    @Test func `what root writes belongs to whom the control directory belongs`() throws {
        try #require(chown(scratch.path, 4242, 4242) == 0, "needs root")
        let lock = try folder.register(registration("one"))
        for name in ["sidecars/one.json", RegistrationFolder.lastAttachedName] {
            var status = stat()
            #expect(stat("\(scratch.path)/\(name)", &status) == 0)
            #expect(status.st_uid == 4242)
        }
        _ = consume lock
    }

    @Test func `many newcomers at once all stay registered`() throws {
        let sidecars = Mutex<[SidecarThread]>([])
        let count = 24
        for index in 0..<count {
            let scratch = scratch
            startThread {
                do {
                    let sidecar = try SidecarThread(scratch, id: "sidecar-\(index)")
                    sidecars.withLock { $0.append(sidecar) }
                } catch {
                    Issue.record(error)
                }
            }
        }
        #expect(eventually { sidecars.withLock { $0.count } == count })
        #expect(try folder.entries().filter(\.isLiving).count == count)
        sidecars.withLock { $0 = [] }
    }
}
