/// A mapping of a file: one line of `/proc/<pid>/maps`, see proc_pid_maps(5).
struct Mapping {
    /// As `map_files` names it.
    let range: String
    /// Of the file system as a whole; on btrfs not that of the file's subvolume.
    let device: UInt64
    let inode: UInt64
    /// The file's path as the process sees it.
    let name: ArraySlice<UInt8>

    /// - Parameter sharedOnly: nil for private mappings, without reading further: most lines are such.
    init?(_ line: ArraySlice<UInt8>, sharedOnly: Bool) {
        // 55d0-55d1 rw-s 00000000 fe:00 12345      /path
        guard let space = line.firstIndex(of: UInt8(ascii: " ")), space + 4 < line.endIndex,
            !sharedOnly || line[space + 4] == UInt8(ascii: "s")
        else { return nil }
        let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
        guard fields.count >= 5, let inode = UInt64(String(decoding: fields[4], as: UTF8.self)) else { return nil }
        let numbers = fields[3].split(separator: UInt8(ascii: ":")).compactMap {
            UInt64(String(decoding: $0, as: UTF8.self), radix: 16)
        }
        guard numbers.count == 2 else { return nil }
        range = String(decoding: fields[0], as: UTF8.self)
        device = deviceNumber(numbers[0], numbers[1])
        self.inode = inode
        name = fields.count > 5 ? fields[5].drop { $0 == UInt8(ascii: " ") } : []
    }
}
