private import Glibc

/// How many files this process may have open at a time: the soft limit `RLIMIT_NOFILE` of getrlimit(2).
package enum DescriptorLimit {
    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    package static var current: Int { Int(clamping: limits.rlim_cur) }

    /// Raises it as far as it may be raised. It stays where that is refused, as where the machine allows less by now than it did
    /// (fs.nr_open).
    package static func raise() {
        var limits = limits
        limits.rlim_cur = limits.rlim_max
        setrlimit(resource, &limits)
    }

    private static var limits: rlimit {
        var limits = rlimit()
        getrlimit(resource, &limits)
        return limits
    }
}
