private import Glibc
import RuntimeCore

/// What the first phase remembers of one directory: which entries its clone has, and what they were cloned from.
///
/// 19 bytes and the name for each entry, in pieces as the directory was listed.
final class DirectoryCapture: Sendable {
    private struct State {
        /// By the ordinal of their batch; nil where a batch was not cloned.
        var segments: [CaptureSegment?] = []
        var stamp: EntryStamp?
        var isWhole = true
        var isSealed = false
        var kept: KeptDescriptor?
        var index: [CapturedName: CapturedEntry]?
        var isOpenedUp = false
    }

    private let state = Mutex(State())

    /// What shows that a directory is as it was, and what there is in it then.
    struct Proof {
        let stamp: EntryStamp
        let segments: [CaptureSegment?]
        /// Of the directory; to be listed no more. Nil where there were too many.
        let kept: KeptDescriptor?
    }

    /// With the stamp of the directory itself, taken before it was listed and its attributes were read; nil unless its clone has
    /// all its entries and its attributes.
    ///
    /// While the stamp says the same, every name leads to where it led: a call that adds, takes or exchanges names moves the ctime of
    /// their directory, and has it locked against being listed.
    var proof: Proof? {
        state.withLock { state in
            guard state.isSealed, state.isWhole, let stamp = state.stamp else { return nil }
            return Proof(stamp: stamp, segments: state.segments, kept: state.kept)
        }
    }

    /// Before the directory is listed.
    func begin(_ stamp: EntryStamp) { state.withLock { $0.stamp = stamp } }

    /// An entry was listed, and is not in the clone.
    func leaveOut() { state.withLock { $0.isWhole = false } }

    /// All has been done for the directory.
    ///
    /// - Parameter source: it.
    func seal(_ source: CInt) {
        state.withLock { state in
            state.isSealed = true
            if state.isWhole, let stamp = state.stamp, !stamp.isDoubtful { state.kept = KeptDescriptor(of: source) }
        }
    }

    var segments: [CaptureSegment?] { state.withLock { $0.segments } }

    func place(_ segment: CaptureSegment?, at ordinal: Int) {
        state.withLock { state in
            while state.segments.count <= ordinal { state.segments.append(nil) }
            state.segments[ordinal] = segment
        }
    }

    /// Runs `body` the first time only: before anything is changed in the clone of this directory.
    func openUp(_ body: () throws -> Void) throws {
        try state.withLock { state in
            if state.isOpenedUp { return }
            try body()
            state.isOpenedUp = true
        }
    }

    var isOpenedUp: Bool { state.withLock { $0.isOpenedUp } }

    /// Finds an entry whatever its place; the first time it sorts them all.
    func find(_ name: CapturedName) -> CapturedEntry? {
        state.withLock { state in
            if let index = state.index { return index[name] }
            var index: [CapturedName: CapturedEntry] = [:]
            for segment in state.segments {
                segment?.forEach { index[$0.capturedName] = $0 }
            }
            state.index = index
            return index[name]
        }
    }

    /// Entries that no call of `CaptureCursor.take` has found.
    func untaken() -> [CapturedEntry] {
        var result: [CapturedEntry] = []
        for segment in segments { segment?.forEach { if !$0.isTaken { result.append($0) } } }
        return result
    }
}

/// Finds the entries of a directory in the order in which it is listed. As long as nothing has changed that is the order in
/// which they were remembered, and no search is needed.
struct CaptureCursor {
    private let capture: DirectoryCapture
    private let segments: [CaptureSegment?]
    private var segment: Int
    private var offset = 0

    /// - Parameter ordinal: which batch of the directory is to be gone through.
    init(_ capture: DirectoryCapture, at ordinal: Int) {
        self.capture = capture
        segments = capture.segments
        segment = ordinal
    }

    /// What is remembered under a name; nil where the clone has no such entry.
    mutating func take(_ name: UnsafePointer<CChar>) -> CapturedEntry? {
        if segment < segments.count, segments[segment].map({ offset >= $0.length }) ?? true {
            segment += 1
            offset = 0
        }
        if segment < segments.count, let present = segments[segment], offset < present.length {
            let entry = CapturedEntry(segment: present, offset: offset)
            if strcmp(entry.name, name) == 0 { return taken(entry) }
        }
        guard let entry = capture.find(CapturedName(bytes: name)) else { return nil }
        if let place = segments.firstIndex(where: { $0 === entry.segment }) {
            segment = place
            offset = entry.offset
        }
        return taken(entry)
    }

    private mutating func taken(_ entry: CapturedEntry) -> CapturedEntry {
        offset = entry.end
        entry.markTaken()
        return entry
    }
}
