private import Glibc

/// An open file descriptor that closes itself.
///
/// Everything is opened close-on-exec: nothing of ours leaks into an agent.
package struct FileDescriptor: ~Copyable, Sendable {
    package let raw: CInt

    /// Takes ownership of `raw`.
    package init(owning raw: CInt) { self.raw = raw }

    deinit { Glibc.close(raw) }

    /// Gives the descriptor away: the caller closes it.
    package consuming func release() -> CInt {
        let raw = self.raw
        discard self
        return raw
    }
}
