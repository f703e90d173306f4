private import CShims
private import Glibc

/// The names in a folder, without `.` and `..`. What is no UTF-8 shows with replacement characters.
package enum FolderNames {
    /// - Throws: also where the list breaks off: half of it would hide what is there.
    package static func read(_ path: String) throws(SystemError) -> [String] {
        let folder = FileDescriptor(
            owning: try systemCall("open", path) { wvs_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) })
        return try read(folder.raw, path)
    }

    /// Of an open folder, whose position stays as it is.
    ///
    /// - Parameters:
    ///   - subject: names it in errors.
    ///   - limit: how many there may be; EOVERFLOW where there are more.
    package static func read(
        _ folder: CInt, _ subject: @autoclosure () -> String, atMost limit: Int = .max
    ) throws(SystemError) -> [String] {
        let own = try systemCall("openat", subject()) { wvs_openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        guard let stream = fdopendir(own) else {
            let failure = SystemError("fdopendir", subject())
            close(own)
            throw failure
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw SystemError("readdir", subject()) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            if names.count >= limit { throw SystemError("readdir", subject(), errno: EOVERFLOW) }
            names.append(name)
        }
    }
}
