private import CShims
private import Glibc
import RuntimeCore

/// A mapping of a file.
struct Mapping {
    /// As `map_files` names it.
    let range: String
    /// Of the file system as a whole; on btrfs not that of the file's subvolume.
    let device: UInt64
    let inode: UInt64
    let isWritable: Bool

    /// The file mappings of a process.
    ///
    /// - Parameters:
    ///   - thread: a living one of it: a leader that has ended shows none, although the others go on with them.
    ///   - sharedOnly: private ones never reach the file; most mappings are such.
    static func list(_ thread: ProcessID, sharedOnly: Bool) throws(SystemError) -> [Mapping] {
        let path = "/proc/\(thread)/maps"
        let maps = try ProcFS.open(path, CInt(O_RDONLY))
        do {
            return try query(maps, path, sharedOnly)
        } catch  where error.errno == ENOTTY || error.errno == EINVAL {
            return try ProcFS.read(path).split(separator: UInt8(ascii: "\n")).compactMap {
                Mapping($0, sharedOnly: sharedOnly)
            }
        }
    }

    /// Asks for the next fitting one each time: a process with thousands of mappings and none of them shared costs one call.
    private static func query(_ maps: borrowing FileDescriptor, _ path: String, _ sharedOnly: Bool) throws(SystemError)
        -> [Mapping]
    {
        var result: [Mapping] = []
        var found = wvs_mapping()
        while wvs_next_mapping(maps.raw, found.end, sharedOnly ? 1 : 0, &found) == 0 {
            if found.inode != 0 { result.append(Mapping(found)) }
        }
        // ESRCH: it has ended, and maps nothing.
        guard [ENOENT, ESRCH].contains(lastErrno) else { throw SystemError("ioctl", path) }
        return result
    }

    private init(_ found: wvs_mapping) {
        range = "\(String(found.start, radix: 16))-\(String(found.end, radix: 16))"
        device = found.device
        inode = found.inode
        isWritable = found.writable != 0
    }

    /// Reads one line of `/proc/<pid>/maps`, see proc_pid_maps(5); nil for what maps no file.
    init?(_ line: ArraySlice<UInt8>, sharedOnly: Bool) {
        // 55d0-55d1 rw-s 00000000 fe:00 12345      /path
        guard let space = line.firstIndex(of: UInt8(ascii: " ")), space + 4 < line.endIndex,
            !sharedOnly || line[space + 4] == UInt8(ascii: "s")
        else { return nil }
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
        guard fields.count >= 5, let inode = UInt64(String(decoding: fields[4], as: UTF8.self)), inode != 0 else {
            return nil
        }
        let numbers = fields[3].split(separator: UInt8(ascii: ":")).compactMap {
            UInt64(String(decoding: $0, as: UTF8.self), radix: 16)
        }
        guard numbers.count == 2 else { return nil }
        range = String(decoding: fields[0], as: UTF8.self)
        device = deviceNumber(numbers[0], numbers[1])
        self.inode = inode
        isWritable = line[space + 2] == UInt8(ascii: "w")
    }
}
