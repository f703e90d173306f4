private import Glibc

/// A point of wall-clock time with microseconds; its text is RFC 3339 in UTC, for example
/// `2026-02-17T12:00:00.000000Z`. For what a person reads, never for a timeout.
package struct Timestamp: Equatable, Comparable, Hashable, Sendable, CustomStringConvertible {
    /// Microseconds since 1970-01-01T00:00:00Z.
    package let microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }

    package static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

    package var description: String { text(fractionDigits: 6) }

    /// - Parameter fractionDigits: 3 or 6.
    package func text(fractionDigits: Int) -> String {
        var seconds = microseconds / 1_000_000
        var fraction = microseconds % 1_000_000
        if fraction < 0 {
            fraction += 1_000_000
            seconds -= 1
        }
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        return String(unsafeUninitializedCapacity: 32) { text in
            var count = 0
            func add(_ value: Int64, _ width: Int, _ separator: Unicode.Scalar) {
                var rest = value
                for index in (count..<count + width).reversed() {
                    text[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                    rest /= 10
                }
                text[count + width] = UInt8(ascii: separator)
                count += width + 1
            }
            add(Int64(parts.tm_year) + 1900, 4, "-")
            add(Int64(parts.tm_mon) + 1, 2, "-")
            add(Int64(parts.tm_mday), 2, "T")
            add(Int64(parts.tm_hour), 2, ":")
            add(Int64(parts.tm_min), 2, ":")
            add(Int64(parts.tm_sec), 2, ".")
            if fractionDigits == 3 { add(fraction / 1000, 3, "Z") } else { add(fraction, 6, "Z") }
            return count
        }
    }

    /// Reads RFC 3339 in UTC (`Z` or `+00:00`) with up to six digits of fraction; nil for anything else.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int32? {
            guard range.upperBound <= bytes.count else { return nil }
            var value: Int32 = 0
            for byte in bytes[range] {
                guard byte >= 48, byte <= 57 else { return nil }
                value = value * 10 + Int32(byte - 48)
            }
            return value
        }
        guard bytes.count >= 20, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            bytes[4] == 45, bytes[7] == 45, bytes[10] == 84 || bytes[10] == 32, bytes[13] == 58, bytes[16] == 58
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if bytes[index] == 46 {
            index += 1
            var scale: Int64 = 100_000
            while index < bytes.count, bytes[index] >= 48, bytes[index] <= 57 {
                fraction += Int64(bytes[index] - 48) * scale
                scale /= 10
                index += 1
            }
        }
        let zone = String(decoding: bytes[index...], as: UTF8.self)
        guard zone == "Z" || zone == "+00:00" || zone == "+00" else { return nil }
        var parts = tm()
        parts.tm_year = year - 1900
        parts.tm_mon = month - 1
        parts.tm_mday = day
        parts.tm_hour = hour
        parts.tm_min = minute
        parts.tm_sec = second
        microseconds = Int64(timegm(&parts)) * 1_000_000 + fraction
    }
}
