private import Glibc
import RuntimeCore

/// One freeze's machine and files, shared by the caller's thread and the one that renews the lease.
final class FreezeSession: Sendable {
    private let directory: FileDescriptor
    /// As long as this freeze lasts.
    private let hold: FileDescriptor?
    private let file: ControlFile
    private let registrations: RegistrationFolder
    private let machine: Mutex<CoordinatorMachine>
    private let logger: Logger

    init(
        directory: consuming FileDescriptor, request: CoordinatorMachine.Request, timeout: Duration, logger: Logger
    ) {
        let control = ControlDirectory(descriptor: directory.raw)
        self.directory = directory
        hold = FreezeHold.take(in: control)
        file = ControlFile(directory: control)
        registrations = RegistrationFolder(control: control)
        machine = Mutex(
            CoordinatorMachine(request, everAttached: registrations.everAttached, timeout: timeout, now: .now))
        self.logger = logger
    }

    /// Looks who is attached. Always before `turn`: a sidecar that answered and left has then been heard.
    func look() throws(SystemError) {
        let entries = try registrations.entries()
        machine.withLock { $0.attached(entries) }
    }

    /// Reads the document, and writes it where that is due.
    func turn() throws(SystemError) -> CoordinatorMachine.Step {
        let step = observe()
        guard step == .write else { return step }
        try write()
        return .write
    }

    /// Renews the lease where it stands frozen and that is due.
    func renew() throws(SystemError) -> CoordinatorMachine.Step {
        guard machine.withLock({ $0.phase == .frozen && $0.nextDue <= .now }) else { return .wait }
        return try turn()
    }

    /// Reads the document, and says where the freeze stands.
    func observe() -> CoordinatorMachine.Step {
        let reading = file.read()
        return machine.withLock { $0.observe(reading, now: .now) }
    }

    func write() throws(SystemError) {
        let update = try file.update { reading in machine.withLock { $0.edit(reading, now: .now) } }
        if !update.locked { logger.warn("the control lock is held; going on without it") }
    }

    func resume(expectCurrent: String?, timeout: Duration) throws(SystemError) {
        machine.withLock { $0.resume(expectCurrent: expectCurrent, timeout: timeout, now: .now) }
        try write()
    }

    /// Releases whoever is frozen; what can not be written ends with the lease.
    func abandon() {
        machine.withLock { $0.abandon() }
        do {
            try write()
        } catch {
            logger.error("frozen agents could not be released; their lease will end", [.error: LogValue(error)])
        }
    }

    var nextDue: MonotonicTime { machine.withLock { $0.nextDue } }
    var isUnattended: Bool { machine.withLock { $0.expects.isEmpty } }
    var consistency: Consistency { machine.withLock { $0.consistency } }
    var departed: [String] { machine.withLock { $0.departed } }
    var acknowledgements: [String: Acknowledgement] { machine.withLock { $0.acknowledgements } }

    func openFiles(epoch: UInt64) -> OpenFiles {
        OpenFilesFile(directory: ControlDirectory(descriptor: directory.raw))
            .read(epoch: epoch, acknowledgements: acknowledgements)
    }
}
