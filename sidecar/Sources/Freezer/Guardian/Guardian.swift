private import CShims
private import Glibc
package import RuntimeCore

/// A process of its own that thaws the agent when the lease ends or this process does, whatever else hangs.
///
/// It holds the thaw handle: the open `cgroup.freeze`, and the ids of what SIGSTOP was sent to. Its end of the socket closes
/// with this process, so it also acts when this one is killed.
package final class Guardian {
    /// What it calls itself in `/proc/<pid>/comm`.
    package static let processName: StaticString = "wvs-guardian"

    package enum Event: Sendable {
        /// The lease ended and the agent was thawed.
        case lapsed
        /// The guardian itself is gone.
        case gone
    }

    /// Readable when there is an event; see `nextEvent()`.
    package let descriptor: CInt
    package let pid: ProcessID
    private var sequence: UInt32 = 0

    /// How long an answer may take; the guardian does nothing else, so more means that it is stopped or dead.
    private static let patience = Duration.milliseconds(500)

    /// Forks the guardian. To be called before any thread exists.
    ///
    /// - Parameters:
    ///   - freezeSwitch: of the cgroup, open; the guardian gets a descriptor of its own. -1 where there is none.
    ///   - version: of that cgroup.
    package init(freezeSwitch: CInt = -1, _ version: CgroupVersion = .v2) throws(FreezerError) {
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        try explained(.guardian, "the guardian cannot be started") { () throws(SystemError) in
            try systemCall("socketpair") { socketpair(AF_UNIX, kind, 0, &ends) }
        }
        // All that the child needs is made here: after a fork it touches no allocator.
        let memory = GuardianMemory()
        let child = wvs_fork()
        if child == 0 {
            GuardianLoop.run(
                socket: ends[1], freezeSwitch: freezeSwitch, thawText: version.thawText, memory: memory)
        }
        let failure = SystemError("fork")
        memory.free()
        close(ends[1])
        if child == -1 {
            close(ends[0])
            throw FreezerError(.guardian, "the guardian cannot be started", cause: failure)
        }
        descriptor = ends[0]
        pid = child
    }

    /// Lets the guardian thaw what is frozen and end. One that is stopped must not wake later and thaw what somebody else has
    /// frozen.
    deinit {
        close(descriptor)
        let deadline = MonotonicTime.now + Self.patience
        while waitpid(pid, nil, WNOHANG) == 0 {
            if MonotonicTime.now >= deadline { kill(pid, SIGKILL) }
            usleep(500)
        }
    }

    /// Starts the lease. From here on the guardian thaws at `deadline`.
    package func arm(until deadline: MonotonicTime) throws(FreezerError) {
        guard answer(to: ask(.arm, deadline.nanoseconds)) != nil else {
            throw FreezerError(.guardian, "the guardian does not answer")
        }
    }

    /// Moves the lease's end.
    ///
    /// - Returns: false where the lease had ended before: it stays so. A guardian that does not answer counts as one that has
    ///   thawed.
    package func extend(until deadline: MonotonicTime) -> Bool {
        confirms(ask(.extend, deadline.nanoseconds))
    }

    /// What the guardian was asked, and may answer while its asker does something else.
    package struct Question {
        fileprivate let kind: GuardianMessage.Kind
        /// Nil where it could not be asked.
        fileprivate let sequence: UInt32?
    }

    /// Asks whether the lease has held until now; see `confirms`.
    package func probe() -> Question { ask(.probe, 0) }

    /// Ends the lease, without waiting, and asks whether it has held until now. The caller has thawed.
    @discardableResult
    package func disarm() -> Question { ask(.disarm, 0) }

    /// Waits for the answer. A guardian that does not give one counts as one that has thawed.
    package func confirms(_ question: Question) -> Bool { answer(to: question)?.value == 0 }

    /// Names processes that SIGSTOP is about to be sent to; forgotten when the lease is disarmed.
    package func watch(_ processes: [ProcessID]) throws(FreezerError) {
        var rest = processes[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(GuardianMemory.messagePIDs))
            rest = rest.dropFirst(part.count)
            guard confirms(ask(.watch, 0, part)) else {
                throw FreezerError(.guardian, "the guardian cannot keep \(processes.count) processes in mind")
            }
        }
    }

    /// What the guardian has said unasked; nil for nothing. Does not wait.
    package func nextEvent() -> Event? {
        while let message = receive() {
            if message.kind == GuardianMessage.Kind.lapsed.rawValue { return .lapsed }
            if message.kind == GuardianMessage.Kind.end.rawValue { return .gone }
        }
        return nil
    }

    private func ask(_ kind: GuardianMessage.Kind, _ value: Int64, _ processes: [ProcessID] = []) -> Question {
        Question(kind: kind, sequence: send(kind, value, processes) ? sequence : nil)
    }

    private func answer(to question: Question) -> GuardianMessage? {
        guard let sequence = question.sequence else { return nil }
        let deadline = MonotonicTime.now + Self.patience
        while true {
            while let message = receive() {
                if message.kind == GuardianMessage.Kind.end.rawValue { return nil }
                // Others are a late answer or news of a lapse, which this answer will tell too.
                if message.kind == question.kind.rawValue, message.sequence == sequence { return message }
            }
            let left = deadline.remaining
            if left == .zero { return nil }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&entry, 1, CInt(clamping: left.wholeMilliseconds + 1))
        }
    }

    private func send(_ kind: GuardianMessage.Kind, _ value: Int64, _ processes: [ProcessID] = []) -> Bool {
        sequence &+= 1
        let header = GuardianMessage(kind: kind.rawValue, sequence: sequence, value: value)
        var bytes = withUnsafeBytes(of: header) { Array($0) }
        processes.withUnsafeBytes { bytes += $0 }
        let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
        return bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) } == bytes.count
    }

    /// One message; nil when there is none yet; kind `end` once the guardian is gone.
    private func receive() -> GuardianMessage? {
        var message = GuardianMessage(kind: 0, sequence: 0, value: 0)
        let size = MemoryLayout<GuardianMessage>.size
        let count = withUnsafeMutableBytes(of: &message) {
            recv(descriptor, $0.baseAddress, size, CInt(MSG_DONTWAIT))
        }
        if count == size { return message }
        if count == -1, lastErrno == EAGAIN || lastErrno == EINTR { return nil }
        return GuardianMessage(kind: GuardianMessage.Kind.end.rawValue, sequence: 0, value: 0)
    }
}
