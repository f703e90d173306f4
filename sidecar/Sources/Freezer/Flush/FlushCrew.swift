private import CShims
private import Glibc
import RuntimeCore

/// Threads that flush a list of files. Threads, because an fsync can hang in the kernel for good and must then not take the
/// sidecar with it; several where there are many files, since a network file system takes milliseconds for each.
final class FlushCrew: Sendable {
    fileprivate struct State {
        var next = 0
        var working: [Int] = []
        var isFlushed: [Bool]
        var failure: FreezerError?
        var threads: Int
    }

    private let files: [DirtyFile]
    private let isLocal: Bool
    private let state: Mutex<State>
    /// Readable once the last thread has ended.
    private let done: Cancellation

    /// - Parameter isLocal: whoever clones sees the dirty pages themselves. Their writeback is only started, so that the clone
    ///   waits for less; an fsync would make the frozen agent wait for the disk's journal and cache besides.
    init(_ files: [DirtyFile], isLocal: Bool) throws(FreezerError) {
        self.files = files
        self.isLocal = isLocal
        done = try explained(.flush, "the flush cannot start") { () throws(SystemError) in try Cancellation() }
        let width = min(8, (files.count + 31) / 32)
        state = Mutex(State(isFlushed: Array(repeating: false, count: files.count), threads: width))
        for _ in 0..<width { try startThread() }
    }

    /// The file that a thread is at; nil once all have ended.
    var current: String? { state.withLock { $0.working.first }.map { files[$0].path } }

    /// Whether everything is done.
    func wait(atMost duration: Duration) -> Bool {
        var entry = pollfd(fd: done.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, CInt(clamping: duration.wholeMilliseconds)) == 1
    }

    /// After `wait` has said so.
    func results() throws(FreezerError) -> [FlushBarrier.File] {
        let (failure, isFlushed) = state.withLock { ($0.failure, $0.isFlushed) }
        if let failure { throw failure }
        return zip(files, isFlushed).map { FlushBarrier.File(identity: $0.identity, path: $0.path, isFlushed: $1) }
    }

    private func startThread() throws(FreezerError) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, flushThread, context.toOpaque())
        if code != 0 {
            context.release()
            // Those already started drain the list into a crew that nobody waits for.
            throw FreezerError(.flush, "the flush cannot start", cause: SystemError("pthread_create", errno: code))
        }
        pthread_detach(thread)
    }

    fileprivate func work() {
        while let index = state.withLock({ $0.take(of: files.count) }) {
            do throws(SystemError) {
                let flushed = try flush(files[index])
                state.withLock { $0.finish(index, flushed) }
            } catch {
                let failure = FreezerError(.flush, "the flush of \(files[index].path) failed", cause: error)
                state.withLock { $0.fail(index, failure) }
            }
        }
        let isLast = state.withLock { state in
            state.threads -= 1
            return state.threads == 0
        }
        if isLast { done.cancel() }
    }

    /// False where no way to the file is open to us.
    private func flush(_ file: DirtyFile) throws(SystemError) -> Bool {
        for source in file.sources {
            do throws(SystemError) {
                let descriptor = try source.open(expecting: file.identity)
                if isLocal {
                    try systemCall("sync_file_range", file.path) { wvs_start_writeback(descriptor.raw) }
                } else {
                    try systemCall("fsync", file.path) { fsync(descriptor.raw) }
                }
                return true
            } catch  where [EPERM, EACCES, ENOENT, ESRCH, ENOSYS].contains(error.errno) {
                continue
            }
        }
        // A process that was killed while frozen has closed its files, and closing hands its data over.
        return !file.sources.contains { ProcessTable.isLiving($0.process) }
    }
}

extension FlushCrew.State {
    fileprivate mutating func take(of count: Int) -> Int? {
        guard next < count, failure == nil else { return nil }
        working.append(next)
        next += 1
        return next - 1
    }

    fileprivate mutating func finish(_ index: Int, _ flushed: Bool) {
        working.removeAll { $0 == index }
        isFlushed[index] = flushed
    }

    fileprivate mutating func fail(_ index: Int, _ error: FreezerError) {
        working.removeAll { $0 == index }
        if failure == nil { failure = error }
    }
}

private func flushThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<FlushCrew>.fromOpaque(context).takeRetainedValue().work()
    return nil
}
