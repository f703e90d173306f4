private import CShims
private import Glibc
package import RuntimeCore

/// Wakes a thousand times a second and writes down each gap that was much longer: how long the agent really stood still,
/// told by the agent itself.
package struct Ticker {
    private let log: CInt
    private let threshold: Duration

    /// - Parameters:
    ///   - path: a file outside the workspace; each line is `<end of the gap, microseconds since 1970> <gap, microseconds>`.
    ///   - threshold: shorter gaps are not written.
    package init(path: String, threshold: Duration = .milliseconds(2)) throws(SystemError) {
        log = try systemCall("open", path) { wvs_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) }
        self.threshold = threshold
    }

    /// Ticks for ever.
    package func run() -> Never {
        var last = MonotonicTime.now
        while true {
            usleep(1000)
            let now = MonotonicTime.now
            let gap = now - last
            if gap >= threshold {
                var line = "\(Timestamp.now.microseconds) \(gap.wholeMicroseconds)\n"
                _ = line.withUTF8 { write(log, $0.baseAddress, $0.count) }
            }
            last = .now
        }
    }

    /// The longest gap that ended in a span of time, from a log that `run` wrote; nil where no gap reached the threshold.
    package static func longestGap(path: String, from start: Timestamp, to end: Timestamp) throws(SystemError)
        -> Duration?
    {
        String(decoding: try LedgerFile.content(path), as: UTF8.self).split(separator: "\n").compactMap {
            line -> Duration? in
            let parts = line.split(separator: " ").compactMap { Int64($0) }
            guard parts.count == 2, parts[0] >= start.microseconds, parts[0] <= end.microseconds else { return nil }
            return .microseconds(parts[1])
        }.max()
    }
}
