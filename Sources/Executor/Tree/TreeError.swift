private import Glibc
import RuntimeCore

/// An entry became something else while the walk dealt with it.
package struct TreeChanged: Error, Equatable, CustomStringConvertible {
    package let path: String

    package init(path: String) { self.path = path }

    package var description: String { "\(path) changed while its tree was cloned" }
}

/// A system call that answers -1 on failure, again after EINTR. For loops over entries, where `systemCall` costs too much.
@inline(__always)
func retrying<Result: SignedInteger>(_ body: () -> Result) -> Result {
    while true {
        let result = body()
        if result != -1 || errno != EINTR { return result }
    }
}

/// What openat2 said of an entry that a walk was to enter.
func openingError(_ errno: CInt, path: String) -> any Error {
    errno == EXDEV ? NestedMount(path: path) : SystemError("openat2", path, errno: errno)
}
