/// Durations as people write them in settings: `250ms`, `30s`, `1m30s`, `2h`.
extension Duration {
    /// Reads a sum of whole numbers with the units `ms`, `s`, `m`, `h`; nil for anything else.
    package init?(text: String) {
        var rest = Substring(text)
        var total = Duration.zero
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(unit.count)
            // 12 digits of hours still fit into a Duration.
            guard digits.count <= 12, let number = Int64(digits) else { return nil }
            switch unit {
            case "ms": total += .milliseconds(number)
            case "s": total += .seconds(number)
            case "m": total += .seconds(number * 60)
            case "h": total += .seconds(number * 3600)
            default: return nil
            }
        }
        self = total
    }

    /// The shortest text that reads back as the same duration, to the millisecond.
    package var text: String {
        let milliseconds = wholeMilliseconds
        if milliseconds % 1000 != 0 || milliseconds == 0 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        if seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    /// Rounded down; what `poll(2)` and JSON members such as `lease_ms` take.
    package var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }

    /// Rounded down.
    package var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }

    package var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }

    /// Whole microseconds, rounded down: what is written has no digits that come of the division.
    package var milliseconds: Double { Double(wholeMicroseconds) / 1000 }
}
