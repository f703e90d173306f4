import Foundation
import RuntimeCore

/// What a process holds, read from /proc.
struct ProcessState: CustomStringConvertible {
    let descriptors: Int
    let residentKilobytes: Int
    /// Names of threads, without the library's own.
    let threads: [String]

    static func current() throws -> ProcessState {
        let files = FileManager.default
        let threads = try files.contentsOfDirectory(atPath: "/proc/self/task").compactMap { thread in
            // A thread may end meanwhile.
            try? String(contentsOfFile: "/proc/self/task/\(thread)/comm", encoding: .utf8)
        }
        let statm = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return ProcessState(
            descriptors: try files.contentsOfDirectory(atPath: "/proc/self/fd").count,
            residentKilobytes: (Int(statm[1]) ?? 0) * 4,
            threads: threads.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.sorted())
    }

    var description: String { "\(descriptors) descriptors, \(residentKilobytes) KiB, threads \(threads)" }
}
