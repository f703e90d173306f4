private import Glibc

/// The remembered entries of one batch of a directory, packed.
final class CaptureSegment: @unchecked Sendable {
    // Unchecked: built by one thread; after that only the flag byte of an entry changes, and only the thread that meets its name
    // in the listing touches that.

    /// Of an entry before its name: inode or number of the child (8 bytes), ctime (8), flags (1), length of the name (1).
    static let headSize = 18

    let length: Int
    /// Whether it pays to have another thread deal with it.
    var isWorthSharing: Bool { length > 2048 }
    fileprivate let bytes: UnsafeMutableRawPointer
    /// Of directories, in their order.
    fileprivate let children: [DirectoryCapture]

    fileprivate init(_ bytes: UnsafeRawBufferPointer, children: [DirectoryCapture]) {
        length = bytes.count
        self.bytes = .allocate(byteCount: max(bytes.count, 1), alignment: 1)
        if let base = bytes.baseAddress { self.bytes.copyMemory(from: base, byteCount: bytes.count) }
        self.children = children
    }

    deinit { bytes.deallocate() }

    @inline(__always)
    func forEach(_ body: (CapturedEntry) throws -> Void) rethrows {
        var offset = 0
        while offset < length {
            let entry = CapturedEntry(segment: self, offset: offset)
            try body(entry)
            offset = entry.end
        }
    }
}

private enum Flag {
    static let directory: UInt8 = 1
    static let doubtful: UInt8 = 2
    static let taken: UInt8 = 4
}

/// One remembered entry.
struct CapturedEntry {
    let segment: CaptureSegment
    let offset: Int

    private var head: UnsafeMutableRawPointer { segment.bytes + offset }
    private var flags: UInt8 { (head + 16).load(as: UInt8.self) }

    /// Valid as long as the segment.
    var name: UnsafePointer<CChar> {
        UnsafePointer((head + CaptureSegment.headSize).assumingMemoryBound(to: CChar.self))
    }

    var capturedName: CapturedName { CapturedName(bytes: name) }
    var end: Int { offset + CaptureSegment.headSize + Int((head + 17).load(as: UInt8.self)) + 1 }

    /// Nil for what is not a directory.
    var child: DirectoryCapture? {
        flags & Flag.directory == 0 ? nil : segment.children[Int(head.loadUnaligned(as: UInt64.self))]
    }

    /// Of what is not a directory.
    var stamp: EntryStamp {
        EntryStamp(
            inode: head.loadUnaligned(as: UInt64.self), changed: (head + 8).loadUnaligned(as: Int64.self),
            isDoubtful: flags & Flag.doubtful != 0)
    }

    var isTaken: Bool { flags & Flag.taken != 0 }

    func markTaken() { (head + 16).storeBytes(of: flags | Flag.taken, as: UInt8.self) }
}

/// A name as a key, its bytes in somebody else's keeping.
struct CapturedName: Hashable {
    let bytes: UnsafePointer<CChar>

    static func == (left: CapturedName, right: CapturedName) -> Bool { strcmp(left.bytes, right.bytes) == 0 }

    func hash(into hasher: inout Hasher) {
        hasher.combine(bytes: UnsafeRawBufferPointer(start: bytes, count: strlen(bytes)))
    }
}

/// Collects the entries of one batch.
struct CaptureRecorder {
    private var bytes: [UInt8] = []
    private var children: [DirectoryCapture] = []

    /// Of the entries so far.
    private(set) var doubtful = 0

    mutating func add(_ name: UnsafePointer<CChar>, _ stamp: EntryStamp) {
        if stamp.isDoubtful { doubtful += 1 }
        append(name, stamp.inode, stamp.changed, flags: stamp.isDoubtful ? Flag.doubtful : 0)
    }

    mutating func add(_ name: UnsafePointer<CChar>, directory: DirectoryCapture) {
        append(name, UInt64(children.count), 0, flags: Flag.directory)
        children.append(directory)
    }

    /// What was collected, and begins anew.
    mutating func segment() -> CaptureSegment? {
        defer {
            bytes.removeAll(keepingCapacity: true)
            children = []
            doubtful = 0
        }
        return bytes.isEmpty ? nil : bytes.withUnsafeBytes { CaptureSegment($0, children: children) }
    }

    private mutating func append(_ name: UnsafePointer<CChar>, _ first: UInt64, _ second: Int64, flags: UInt8) {
        // A name has at most 255 bytes (limits.h).
        let length = strlen(name)
        withUnsafeBytes(of: first) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: second) { bytes.append(contentsOf: $0) }
        bytes.append(flags)
        bytes.append(UInt8(length))
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: name, count: length + 1))
    }
}
