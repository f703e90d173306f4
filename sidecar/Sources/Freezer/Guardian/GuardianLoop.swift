private import CShims
private import Glibc
import RuntimeCore

/// What goes between the sidecar and its guardian, one packet each; a `watch` is followed by process ids.
struct GuardianMessage {
    enum Kind: UInt32 {
        case arm = 1
        case extend, watch, probe, disarm, lapsed, end
    }

    var kind: UInt32
    /// An answer carries that of its question.
    var sequence: UInt32
    /// Of `arm` and `extend`: the end on CLOCK_MONOTONIC in nanoseconds. Of answers: 0 for yes, it held, it fitted.
    var value: Int64
}

/// The guardian's memory, set up before the fork.
struct GuardianMemory {
    static let messagePIDs = 4096
    static let tablePIDs = 65_536

    let message: UnsafeMutableRawPointer
    let pids: UnsafeMutablePointer<ProcessID>

    static let messageBytes = MemoryLayout<GuardianMessage>.size + messagePIDs * MemoryLayout<ProcessID>.size

    init() {
        message = .allocate(byteCount: Self.messageBytes, alignment: 16)
        pids = .allocate(capacity: Self.tablePIDs)
    }

    func free() {
        message.deallocate()
        pids.deallocate()
    }
}

/// The guardian's whole life. Raw system calls on memory that exists: it runs in a forked child.
struct GuardianLoop {
    private let socket: CInt
    private let freezeSwitch: CInt
    private let thawText: StaticString
    private let memory: GuardianMemory
    private var watched = 0
    private var deadline: Int64 = 0
    private var state = State.idle

    private enum State { case idle, armed, lapsed }

    static func run(socket: CInt, freezeSwitch: CInt, thawText: StaticString, memory: GuardianMemory) -> Never {
        // A session of its own and deaf to signals: what ends the sidecar's group or terminal does not end it.
        setsid()
        var every = sigset_t()
        sigfillset(&every)
        sigprocmask(SIG_SETMASK, &every, nil)
        _ = wvs_set_thread_name(UnsafeRawPointer(Guardian.processName.utf8Start).assumingMemoryBound(to: CChar.self))
        // It must not hold up an unmount, a pipe's end or anything else of the sidecar's.
        _ = chdir("/")
        let highSocket = fcntl(socket, F_DUPFD, 100)
        let highSwitch = freezeSwitch >= 0 ? fcntl(freezeSwitch, F_DUPFD, 100) : -1
        // Where the sidecar's memory runs out, this is who must still be there to thaw. Refused without CAP_SYS_RESOURCE.
        let score = wvs_open("/proc/self/oom_score_adj", O_WRONLY, 0)
        if score >= 0 { write(score, "-1000") }
        let null = wvs_open("/dev/null", O_RDWR, 0)
        for standard: CInt in 0...2 { dup2(null, standard) }
        dup2(highSocket, 3)
        if highSwitch >= 0 { dup2(highSwitch, 4) }
        _ = wvs_close_from(highSwitch >= 0 ? 5 : 4)
        if wvs_become_realtime() == -1 { setpriority(CInt(PRIO_PROCESS.rawValue), 0, -20) }
        var loop = GuardianLoop(
            socket: 3, freezeSwitch: highSwitch >= 0 ? 4 : -1, thawText: thawText, memory: memory)
        loop.serve()
    }

    private init(socket: CInt, freezeSwitch: CInt, thawText: StaticString, memory: GuardianMemory) {
        self.socket = socket
        self.freezeSwitch = freezeSwitch
        self.thawText = thawText
        self.memory = memory
    }

    private mutating func serve() -> Never {
        while true {
            waitForMessage()
            while true {
                let count = recv(socket, memory.message, GuardianMemory.messageBytes, CInt(MSG_DONTWAIT))
                if count == -1, lastErrno == EAGAIN || lastErrno == EINTR { break }
                // 0 or an error: the sidecar is gone. What stands frozen without a lease is somebody else's.
                if count < MemoryLayout<GuardianMessage>.size {
                    if state != .idle { thaw() }
                    _exit(0)
                }
                expire()
                obey(count)
            }
            expire()
            // A sidecar that was stopped in the middle of freezing may go on after the lapse: undo that as well.
            if state == .lapsed { thaw() }
        }
    }

    private func waitForMessage() {
        var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        switch state {
        case .idle: poll(&entry, 1, -1)
        case .lapsed: poll(&entry, 1, 50)
        case .armed:
            let left = deadline - MonotonicTime.now.nanoseconds
            poll(&entry, 1, left <= 0 ? 0 : CInt(clamping: (left + 999_999) / 1_000_000))
        }
    }

    private mutating func expire() {
        guard state == .armed, MonotonicTime.now.nanoseconds >= deadline else { return }
        thaw()
        state = .lapsed
        answer(.lapsed, 0, 1)
    }

    private mutating func obey(_ count: Int) {
        let message = memory.message.load(as: GuardianMessage.self)
        switch GuardianMessage.Kind(rawValue: message.kind) {
        case .arm:
            deadline = message.value
            state = .armed
            answer(.arm, message.sequence, 0)
        case .extend:
            if state == .armed { deadline = message.value }
            answer(.extend, message.sequence, state == .armed ? 0 : 1)
        case .watch:
            let added = (count - MemoryLayout<GuardianMessage>.size) / MemoryLayout<ProcessID>.size
            let fits = watched + added <= GuardianMemory.tablePIDs
            if fits {
                let source = memory.message + MemoryLayout<GuardianMessage>.size
                memcpy(memory.pids + watched, source, added * MemoryLayout<ProcessID>.size)
                watched += added
            }
            answer(.watch, message.sequence, fits ? 0 : 1)
        case .probe: answer(.probe, message.sequence, state == .armed ? 0 : 1)
        case .disarm:
            let hasHeld = state == .armed
            state = .idle
            watched = 0
            answer(.disarm, message.sequence, hasHeld ? 0 : 1)
        case .lapsed, .end, nil: break
        }
    }

    private func thaw() {
        if freezeSwitch >= 0 { write(freezeSwitch, thawText) }
        for index in 0..<watched { kill(memory.pids[index], SIGCONT) }
    }

    private func answer(_ kind: GuardianMessage.Kind, _ sequence: UInt32, _ value: Int64) {
        var message = GuardianMessage(kind: kind.rawValue, sequence: sequence, value: value)
        let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
        _ = withUnsafeBytes(of: &message) { send(socket, $0.baseAddress, $0.count, flags) }
    }
}
