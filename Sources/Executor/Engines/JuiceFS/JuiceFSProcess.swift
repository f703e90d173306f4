private import CShims
private import Glibc
import RuntimeCore

/// One run of a command: what it prints to its terminal as it comes, how it ended, and its last words.
///
/// Its standard output is a terminal, since `juicefs` shows progress to nobody else.
struct JuiceFSProcess {
    struct Ended {
        /// 128 and the signal's number where a signal ended it.
        let code: Int
        /// The end of what it wrote to standard error.
        let complaint: String
    }

    /// Of standard error, in bytes.
    private static let complaintLimit = 4096

    /// Runs `words` and waits for its end. A cancelled run is killed.
    ///
    /// - Parameter onOutput: gets what it prints, piece by piece, on this thread.
    /// - Throws: `CancellationError`; `SystemError` of the step that failed, `exec` where there is no such program.
    static func run(
        _ words: [String], cancellation: Cancellation, onOutput: ([UInt8]) -> Void
    ) throws -> Ended {
        var terminal: [CInt] = [-1, -1]
        try systemCall("posix_openpt") { wvs_open_terminal(&terminal) }
        let screen = FileDescriptor(owning: terminal[0])
        let output = FileDescriptor(owning: terminal[1])
        var pipe: [CInt] = [-1, -1]
        try systemCall("pipe2") { wvs_pipe2(&pipe, O_CLOEXEC) }
        let complaints = FileDescriptor(owning: pipe[0])
        let error = FileDescriptor(owning: pipe[1])
        let child = try launch(words, output: output.release(), error: error.release())
        let pidfd = FileDescriptor(owning: child.pidfd)
        var complaint: [UInt8] = []
        do {
            try listen(to: screen.raw, complaints.raw, cancellation, onOutput) { complaint.append(contentsOf: $0) }
        } catch {
            _ = wvs_pidfd_send_signal(pidfd.raw, SIGKILL)
            _ = try wait(child.pid)
            throw error
        }
        let code = try wait(child.pid)
        let last = complaint.suffix(complaintLimit)
        return Ended(code: code, complaint: String(decoding: last, as: UTF8.self))
    }

    /// Takes the descriptors, so that the child holds the only ends that are left.
    private static func launch(_ words: [String], output: CInt, error: CInt) throws(SystemError) -> (
        pid: CInt, pidfd: CInt
    ) {
        defer {
            close(output)
            close(error)
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var launch = wvs_launch()
        (launch.cgroup, launch.procs, launch.directory) = (-1, -1, -1)
        (launch.set_output, launch.output, launch.error) = (1, output, error)
        // Its terminal is not to become anybody's.
        launch.new_session = 1
        let code = arguments.withUnsafeMutableBufferPointer { pointers in
            launch.argv = UnsafePointer(pointers.baseAddress)
            launch.envp = UnsafePointer(environ)
            return wvs_launch(&launch)
        }
        guard code == 0 else {
            throw SystemError(launch.step.map { String(cString: $0) } ?? "launch", words[0], errno: code)
        }
        return (launch.pid, launch.pidfd)
    }

    /// Reads both until the program has closed them.
    private static func listen(
        to screen: CInt, _ errors: CInt, _ cancellation: Cancellation, _ onOutput: ([UInt8]) -> Void,
        _ onError: ([UInt8]) -> Void
    ) throws {
        var descriptors = [screen, errors, cancellation.descriptor].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while descriptors[0].fd >= 0 || descriptors[1].fd >= 0 {
            try systemCall("poll") { poll(&descriptors, nfds_t(descriptors.count), -1) }
            try cancellation.check()
            for index in 0...1 where descriptors[index].revents != 0 {
                let count = retrying { read(descriptors[index].fd, &buffer, buffer.count) }
                // A terminal that nobody holds any more answers EIO.
                if count <= 0 {
                    descriptors[index].fd = -1
                } else {
                    (index == 0 ? onOutput : onError)(Array(buffer[..<count]))
                }
            }
        }
    }

    private static func wait(_ pid: CInt) throws(SystemError) -> Int {
        var status: CInt = 0
        try systemCall("waitpid") { waitpid(pid, &status, 0) }
        let signal = status & 0x7f
        return Int(signal == 0 ? (status >> 8) & 0xff : 128 + signal)
    }
}
