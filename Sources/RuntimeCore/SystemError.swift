private import Glibc

/// The calling thread's `errno`.
package var lastErrno: CInt { Glibc.errno }

/// A system call that failed: which, on what, and why.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    /// The call as its man page names it, for example `openat`.
    package let call: String
    /// What the call was about: a path, an address, a process; nil where there is nothing to name.
    package let subject: String?
    package let errno: CInt

    package init(_ call: String, _ subject: String? = nil, errno: CInt = lastErrno) {
        self.call = call
        self.subject = subject
        self.errno = errno
    }

    package var description: String {
        let reason = String(cString: strerror(errno))
        return subject.map { "\(call) \($0): \(reason)" } ?? "\(call): \(reason)"
    }
}

/// Runs a system call that answers -1 on failure: again after EINTR, and with `errno` as a thrown error.
///
/// - Parameters:
///   - name: the call's name, for the error.
///   - subject: what it is about, for the error; evaluated only when it fails.
@discardableResult
package func systemCall<Result: SignedInteger>(
    _ name: String, _ subject: @autoclosure () -> String? = nil, _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = Glibc.errno
        if code != EINTR { throw SystemError(name, subject(), errno: code) }
    }
}
