import RuntimeCore

/// The folder of all workspaces. Opened anew for each operation, so that a file system mounted later is seen.
struct Mount: Sendable {
    let path: String

    func open() throws(SystemError) -> Directory { try Directory(path: path) }
}
