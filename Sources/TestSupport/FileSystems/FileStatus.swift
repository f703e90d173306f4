import Glibc

/// `struct stat`, under a name that does not depend on which C module a file imports.
typealias FileStatus = stat
