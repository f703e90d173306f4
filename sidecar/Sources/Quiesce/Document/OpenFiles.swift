/// `.wvs/open-files.json`: what the frozen agents held open for writing, or mapped shared and writable.
package struct OpenFiles: Equatable, Sendable {
    package struct File: Equatable, Sendable {
        package var inode: UInt64
        /// As the agent sees it; for people, the inode is the key.
        package var path: String
        package var flushed: Bool

        package init(inode: UInt64, path: String, flushed: Bool) {
            self.inode = inode
            self.path = path
            self.flushed = flushed
        }
    }

    /// False where a list was cut or a sidecar's is missing: then nothing may be concluded from a file's absence.
    package var complete: Bool
    package var files: [File]

    package init(complete: Bool, files: [File]) {
        self.complete = complete
        self.files = files
    }
}
