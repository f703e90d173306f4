private import CShims
private import Glibc
import RuntimeCore

/// A bufferful of directory entries, as the kernel writes them (getdents64(2)).
final class EntryBatch: @unchecked Sendable {
    // Unchecked: a batch has one user at a time; it is handed over whole.

    /// What an entry is, as far as the directory itself says.
    enum Kind {
        case directory, file, other, unknown
    }

    /// Small, so that a wide directory is shared out in many pieces: 150 to 350 entries of usual names.
    private static let capacity = 8192
    private let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
    private var length = 0
    /// Which batch of its directory it is, from 0.
    var ordinal = 0

    deinit { buffer.deallocate() }

    /// Whether it pays to have another thread deal with it.
    var isWorthSharing: Bool { length > Self.capacity / 4 }

    /// Reads on where the last read of this descriptor ended.
    ///
    /// - Returns: false at the end of the directory.
    func fill(from directory: CInt, path: @autoclosure () -> String) throws(SystemError) -> Bool {
        length = 0
        length = try systemCall("getdents64", path()) { wvs_getdents64(directory, buffer, Self.capacity) }
        return length > 0
    }

    /// Goes through all but `.` and `..`. A name is valid during the call only.
    @inline(__always)
    func forEach(_ body: (UnsafePointer<CChar>, Kind) throws -> Void) rethrows {
        // struct linux_dirent64: ino (8 bytes), offset (8), record length (2), type (1), name with its NUL.
        var offset = 0
        while offset < length {
            let record = buffer + offset
            offset += Int(record.load(fromByteOffset: 16, as: UInt16.self))
            let name = UnsafePointer((record + 19).assumingMemoryBound(to: CChar.self))
            if name[0] == 46, name[1] == 0 || (name[1] == 46 && name[2] == 0) { continue }
            try body(name, Kind(type: record.load(fromByteOffset: 18, as: UInt8.self)))
        }
    }
}

extension EntryBatch.Kind {
    /// A DT_ constant (readdir(3)).
    @inline(__always)
    fileprivate init(type: UInt8) {
        switch type {
        case 0: self = .unknown
        case 4: self = .directory
        case 8: self = .file
        default: self = .other
        }
    }

    /// The file type bits of a mode.
    init(mode: UInt32) {
        switch mode & S_IFMT {
        case S_IFDIR: self = .directory
        case S_IFREG: self = .file
        default: self = .other
        }
    }
}
