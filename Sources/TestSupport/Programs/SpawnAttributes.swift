package import Glibc

/// What the processes of tests start with: no signal blocked, as the threads of Dispatch do, and none ignored, as a service that
/// some test runs in this process does. A child would inherit both, and be deaf.
package final class SpawnAttributes {
    package var raw = posix_spawnattr_t()

    /// - Parameter ownGroup: whether the process leads a group of its own. A Ctrl-C meant for the test runner does not reach that.
    package init(ownGroup: Bool) {
        posix_spawnattr_init(&raw)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&raw, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&raw, &signals)
        let group = ownGroup ? POSIX_SPAWN_SETPGROUP : 0
        posix_spawnattr_setflags(&raw, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group))
    }

    deinit { posix_spawnattr_destroy(&raw) }
}
