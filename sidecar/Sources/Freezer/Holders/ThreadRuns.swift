private import Glibc
import RuntimeCore

/// How often and how long each thread of a process has run: `schedstat` of proc(5).
///
/// The second count goes up the moment that a thread gets a processor, the first when it leaves it at the latest. So if no
/// thread was running when they were taken, equal counts mean that none has run.
package struct ThreadRuns {
    /// Empty for a kernel thread, which holds nothing in its life.
    private let counts: [RunCount]
    /// As it was after the counts were taken; nil once the process is gone.
    let status: ProcessTable.Status?
    /// These are all the threads that the process had.
    let isComplete: Bool
    /// False where a thread was running, so that nothing can be told from its counts, or the kernel does not count.
    private let isTelling: Bool
    /// More threads than this are not followed: a look at their files is then as cheap.
    private static let limit = 64

    static func ofKernelThread(_ status: ProcessTable.Status) -> ThreadRuns { ThreadRuns(status) }

    private init(_ status: ProcessTable.Status) {
        counts = []
        self.status = status
        isComplete = true
        isTelling = true
    }

    /// - Parameters:
    ///   - threads: of the process.
    ///   - previous: of the same process.
    init(of process: ProcessID, _ threads: [ProcessID], after previous: ThreadRuns?, _ allowance: OpenFileAllowance) {
        let isFollowed = !threads.isEmpty && threads.count <= Self.limit
        counts = (isFollowed ? threads : []).map { thread in
            previous?.counts.first { $0.thread == thread } ?? RunCount(of: thread, in: process, allowance)
        }
        // It did not run when it was last asked, and has not since.
        let changed = counts.filter { !$0.isAtRest || !$0.isUnchanged }
        var isTelling = isFollowed
        for count in changed { isTelling = count.take() && isTelling }
        // After the counts: what has begun to run in between is seen here or in the next counts, and so is a new thread.
        let status = ProcessTable.status(process)
        for count in changed { count.settle(count.thread == process ? status : count.status) }
        self.status = status
        isComplete = status?.threadCount == threads.count && changed.allSatisfy { !$0.isGone }
        self.isTelling = isTelling && isComplete && changed.allSatisfy(\.isAtRest)
    }

    var threads: [ProcessID] { counts.map(\.thread) }

    /// The counts of a process's leader; nil where there are none.
    package static func counts(of process: ProcessID) -> [UInt8]? {
        guard let file = try? ProcFS.open("/proc/\(process)/schedstat", CInt(O_RDONLY)) else { return nil }
        return RunCount.read(file.raw) { Array($0) }
    }

    /// A new thread needs one that runs to start it, so only those known are asked.
    var isUnchanged: Bool { isTelling && counts.allSatisfy(\.isUnchanged) }
}

/// How many of these files may stay open.
final class OpenFileAllowance {
    fileprivate var left: Int

    /// A third of what the process may open, and no more than this: each costs a page of kernel memory.
    init(most: Int = 320) { left = min(most, DescriptorLimit.current / 3) }
}

/// `schedstat` of one thread, open where that is allowed: read again it costs a seventh of opening it. The open file stays that
/// thread's, whoever gets its number.
private final class RunCount {
    let thread: ProcessID
    /// It was not running when the counts were taken.
    private(set) var isAtRest = false
    private(set) var isGone = false
    private let process: ProcessID
    private let allowance: OpenFileAllowance
    /// -1 where it is opened each time.
    private let file: CInt
    /// As of the last `take`.
    private var text: [UInt8] = []

    init(of thread: ProcessID, in process: ProcessID, _ allowance: OpenFileAllowance) {
        self.thread = thread
        self.process = process
        self.allowance = allowance
        file = allowance.left > 0 ? Self.open(thread, process) : -1
        if file >= 0 { allowance.left -= 1 }
    }

    deinit {
        guard file >= 0 else { return }
        close(file)
        allowance.left += 1
    }

    /// Remembers the counts of now; false where they tell nothing.
    func take() -> Bool {
        isAtRest = false
        guard let text = reading({ Array($0) }) else {
            isGone = true
            return false
        }
        self.text = text
        // Without CONFIG_SCHED_INFO all is 0.
        return !text.elementsEqual("0 0 0\n".utf8)
    }

    /// - Parameter status: as of after the counts.
    func settle(_ status: ProcessTable.Status?) {
        isAtRest = status.map { $0.state != UInt8(ascii: "R") } ?? false
    }

    /// Of the thread; nil once it is gone.
    var status: ProcessTable.Status? { (try? ProcessTable.status(of: thread, in: process)) ?? nil }

    var isUnchanged: Bool { reading { $0.elementsEqual(text) } ?? false }

    private func reading<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        if file >= 0 { return Self.read(file, body) }
        let once = Self.open(thread, process)
        guard once >= 0 else { return nil }
        defer { close(once) }
        return Self.read(once, body)
    }

    /// Three numbers; nil once the thread is gone. One read: this is done for every thread of a machine.
    static func read<Result>(_ file: CInt, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        withUnsafeTemporaryAllocation(byteCount: 80, alignment: 1) { buffer in
            let count = pread(file, buffer.baseAddress, buffer.count, 0)
            return count > 0 ? body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) : nil
        }
    }

    private static func open(_ thread: ProcessID, _ process: ProcessID) -> CInt {
        (try? ProcFS.open("/proc/\(process)/task/\(thread)/schedstat", CInt(O_RDONLY)).release()) ?? -1
    }
}
