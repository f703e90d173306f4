import Freezer
private import Glibc
import RuntimeCore

#if FAILPOINTS
    /// Says that it froze, and does nothing: `WVS_TEST_UNSAFE_NO_FREEZE=1`, in debug builds only. The test that looks for torn
    /// snapshots must find them with it; otherwise it proves nothing.
    final class UnsafeFreezer: Freezer {
        private let real: any Freezer

        private init(insteadOf real: any Freezer) { self.real = real }

        static func replacing(_ freezer: any Freezer) -> any Freezer {
            getenv("WVS_TEST_UNSAFE_NO_FREEZE") == nil ? freezer : UnsafeFreezer(insteadOf: freezer)
        }

        var method: FreezerMethod { real.method }
        func freeze(until deadline: MonotonicTime) {}
        func thaw() {}
        func hasStoodStill() -> Bool { true }
        func contains(_ process: ProcessID) -> Bool { real.contains(process) }
        func population() throws(FreezerError) -> Population { try real.population() }
    }

    /// Says that everything was flushed, and flushes nothing: `WVS_TEST_UNSAFE_NO_FLUSH=1`, in debug builds only, for the test
    /// that must then find writes missing on another mount.
    enum UnsafeFlush {
        static var isAsked: Bool { getenv("WVS_TEST_UNSAFE_NO_FLUSH") != nil }
    }
#endif
