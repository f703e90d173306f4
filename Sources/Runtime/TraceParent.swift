package import RuntimeCore

/// The header `traceparent` of W3C Trace Context: which trace a request belongs to, and which span made it.
package struct TraceParent: Equatable, Sendable, CustomStringConvertible {
    /// 32 hexadecimal digits.
    package let traceID: String
    /// 16 hexadecimal digits.
    package let spanID: String
    /// Whether the caller records the trace.
    package let isSampled: Bool

    /// Nil for what a receiver has to ignore (Trace Context, section 3.2.2): malformed, or all zeros.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, parts[0].count == 2, parts[0] != "ff", parts[0] != "00" || parts.count == 4,
            parts[1].count == 32, parts[2].count == 16, parts[3].count == 2,
            parts[..<4].allSatisfy({ $0.utf8.allSatisfy(Self.isLowerHex) }),
            parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
        else { return nil }
        traceID = parts[1]
        spanID = parts[2]
        // The only flag that all versions know.
        isSampled = parts[3].utf8.last.map { "13579bdf".utf8.contains($0) } ?? false
    }

    /// As version 00, the one that we speak.
    package var description: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }
}

extension TraceParent {
    package var logFields: [(LogKey, LogValue)] { [(.traceID, .text(traceID)), (.spanID, .text(spanID))] }
}

extension Logger {
    /// A logger that names the trace on every line.
    package func with(_ trace: TraceParent) -> Logger { with(trace.logFields) }
}
