private import CShims
private import Glibc
import RuntimeCore

/// The signals of this process as something to poll; there is no handler that could interrupt anything.
final class SignalDescriptor {
    struct Arrival {
        let number: CInt
        /// The terminal sent it to the whole foreground group: the agent has it already.
        let isFromTerminal: Bool
    }

    let raw: CInt

    /// SIGTSTP, SIGTTIN and SIGTTOU keep their default: with its agent the sidecar stops as every other job does, and the
    /// guardian sees to the lease.
    static let handled = [SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH]

    init() throws(SystemError) {
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in Self.handled { sigaddset(&mask, number) }
        sigprocmask(SIG_BLOCK, &mask, nil)
        // Not told of children that stop: a SIGSTOP freeze would wake us for each.
        var quiet = sigaction()
        quiet.sa_flags = SA_NOCLDSTOP
        sigaction(SIGCHLD, &quiet, nil)
        signal(SIGPIPE, SIG_IGN)
        raw = try systemCall("signalfd") {
            signalfd(-1, &mask, CInt(SFD_CLOEXEC) | CInt(SFD_NONBLOCK))
        }
    }

    deinit { close(raw) }

    /// The next signal; nil when there is none.
    func next() -> Arrival? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard read(raw, &info, size) == size else { return nil }
        return Arrival(number: CInt(info.ssi_signo), isFromTerminal: info.ssi_code == SI_KERNEL)
    }
}
