private import CShims
private import Glibc
import RuntimeCore
private import Synchronization

/// Counts what a tree consists of, reading nothing but directories and sizes.
enum TreeCount {
    /// - Parameters:
    ///   - threads: 0 means one for each core.
    ///   - names: is told every name of a file with several.
    /// - Throws: `CancellationError`, `SystemError`, `NestedMount`.
    static func count(
        in parent: CInt, _ name: String, threads: Int = 0, linkedNames names: LinkedNames? = nil,
        cancellation: Cancellation
    ) throws -> CloneSummary {
        let handles = DirectoryHandles(base: DirectoryPair(source: parent)) { parent, name, path in
            let raw = openSource(parent, name, flags: O_RDONLY | O_DIRECTORY)
            guard raw >= 0 else { throw openingError(errno, path: path()) }
            return raw
        }
        let tally = Tally()
        let crew = WorkCrew<TreeDirectory>(name: "wvs-count", width: threads) { crew in
            CountWorker(handles: handles, crew: crew, tally: tally, names: names, cancellation: cancellation).run
        }
        try crew.run(TreeDirectory(name, in: nil, handles: handles))
        return CloneSummary(
            entries: tally.entries.load(ordering: .relaxed), bytes: tally.bytes.load(ordering: .relaxed))
    }
}

private final class Tally: Sendable {
    let entries = Atomic<Int>(0)
    let bytes = Atomic<Int64>(0)
    /// Files with several names that have been counted.
    private let linked = Mutex<Set<HardLinks.Key>>([])

    func add(_ status: FileStatus) {
        guard status.st_mode & S_IFMT == S_IFREG else { return }
        if status.st_nlink > 1, !linked.withLock({ $0.insert(HardLinks.Key(status)).inserted }) { return }
        bytes.add(Int64(status.st_size), ordering: .relaxed)
    }
}

/// One thread of a count.
private final class CountWorker {
    private let handles: DirectoryHandles
    private let crew: WorkCrew<TreeDirectory>
    private let tally: Tally
    private let names: LinkedNames?
    private let cancellation: Cancellation
    private let batch = EntryBatch()

    init(
        handles: DirectoryHandles, crew: WorkCrew<TreeDirectory>, tally: Tally, names: LinkedNames?,
        cancellation: Cancellation
    ) {
        self.handles = handles
        self.crew = crew
        self.tally = tally
        self.names = names
        self.cancellation = cancellation
    }

    func run(_ directory: TreeDirectory) throws {
        try handles.with(directory) { pair in
            while try batch.fill(from: pair.source, path: directory.path()) {
                if crew.isStopping { throw CancellationError() }
                try cancellation.check()
                var entries = 0
                try batch.forEach { name, kind in
                    entries += 1
                    switch kind {
                    case .directory: crew.push(TreeDirectory(name, in: directory, handles: handles))
                    case .file, .unknown: try look(at: name, in: directory, pair.source)
                    case .other: if names != nil { try look(at: name, in: directory, pair.source) }
                    }
                }
                tally.entries.add(entries, ordering: .relaxed)
            }
        }
    }

    private func look(at name: UnsafePointer<CChar>, in directory: TreeDirectory, _ raw: CInt) throws {
        var status = stat()
        try systemCall("fstatat", directory.path(name)) { fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) }
        if status.st_mode & S_IFMT == S_IFDIR {
            crew.push(TreeDirectory(name, in: directory, handles: handles))
        } else {
            tally.add(status)
            if status.st_nlink > 1 { names?.add(HardLinks.Key(status), name, in: directory) }
        }
    }
}
