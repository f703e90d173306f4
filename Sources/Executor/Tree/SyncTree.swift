private import CShims
private import Glibc
package import RuntimeCore

/// Makes a finished tree durable before it is published.
package enum SyncTree {
    /// linux/magic.h
    private static let fuseMagic = 0x6573_5546

    /// Makes the tree `name` of an open directory durable: with one syncfs(2), or file by file on FUSE, where syncfs does
    /// nothing for most file systems.
    ///
    /// - Parameter threads: 0 means one for each core.
    /// - Throws: `CancellationError` (not while syncfs runs), `SystemError`, `NestedMount`.
    package static func sync(
        in parent: CInt, _ name: String, threads: Int = 0, cancellation: Cancellation
    ) throws {
        try cancellation.check()
        var status = statfs()
        try systemCall("fstatfs", name) { fstatfs(parent, &status) }
        if Int(status.f_type) == fuseMagic {
            try syncEachFile(in: parent, name, threads: threads, cancellation: cancellation)
        } else {
            try systemCall("syncfs", name) { wvs_sync_file_system(parent) }
        }
    }

    /// Needs no syncfs; for FUSE.
    static func syncEachFile(in parent: CInt, _ name: String, threads: Int, cancellation: Cancellation) throws {
        let handles = DirectoryHandles(base: DirectoryPair(source: parent)) { parent, name, path in
            let raw = retrying { wvs_openat2_beneath(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
            guard raw >= 0 else { throw openingError(errno, path: path()) }
            return raw
        }
        let crew = WorkCrew<TreeDirectory>(name: "wvs-sync", width: threads) { crew in
            SyncWorker(handles: handles, crew: crew, cancellation: cancellation).run
        }
        try crew.run(TreeDirectory(name, in: nil, handles: handles))
    }
}

/// One thread of a file by file sync.
private final class SyncWorker {
    private let handles: DirectoryHandles
    private let crew: WorkCrew<TreeDirectory>
    private let cancellation: Cancellation
    private let batch = EntryBatch()

    init(handles: DirectoryHandles, crew: WorkCrew<TreeDirectory>, cancellation: Cancellation) {
        self.handles = handles
        self.crew = crew
        self.cancellation = cancellation
    }

    func run(_ directory: TreeDirectory) throws {
        try handles.with(directory) { pair in
            while try batch.fill(from: pair.source, path: directory.path()) {
                try batch.forEach { name, kind in
                    if crew.isStopping { throw CancellationError() }
                    try cancellation.check()
                    switch try self.kind(of: name, kind, in: directory, pair.source) {
                    case .directory: crew.push(TreeDirectory(name, in: directory, handles: handles))
                    case .file: try syncFile(name, in: directory, pair.source)
                    case .other, .unknown: break
                    }
                }
            }
            try systemCall("fsync", directory.path()) { fsync(pair.source) }
        }
    }

    private func kind(
        of name: UnsafePointer<CChar>, _ kind: EntryBatch.Kind, in directory: TreeDirectory, _ raw: CInt
    ) throws(SystemError) -> EntryBatch.Kind {
        if kind != .unknown { return kind }
        var status = stat()
        try systemCall("fstatat", directory.path(name)) { fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) }
        return EntryBatch.Kind(mode: status.st_mode)
    }

    private func syncFile(_ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ raw: CInt) throws {
        // For writing: on JuiceFS fsync of a read-only descriptor does nothing. A running program may only be read.
        var file = retrying { wvs_openat2_beneath(raw, name, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0) }
        if file < 0, errno == ETXTBSY || errno == EACCES {
            file = retrying { wvs_openat2_beneath(raw, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0) }
        }
        guard file >= 0 else { throw openingError(errno, path: directory.path(name)) }
        defer { close(file) }
        try systemCall("fsync", directory.path(name)) { fsync(file) }
    }
}
