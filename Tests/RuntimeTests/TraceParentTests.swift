import Runtime
import Testing

@Suite struct TraceParentTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let span = "00f067aa0ba902b7"

    @Test(arguments: ["00-\(trace)-\(span)-01", "01-\(trace)-\(span)-00-of-a-later-version"])
    func aHeaderSaysTraceAndSpan(text: String) {
        let parent = TraceParent(text)
        #expect(parent?.traceID == Self.trace && parent?.spanID == Self.span)
        #expect(parent?.description == "00-\(Self.trace)-\(Self.span)-\(text.hasSuffix("-01") ? "01" : "00")")
    }

    @Test(arguments: [
        "", "00", "ff-\(trace)-\(span)-01", "00-\(trace)-\(span)-01-more", "00-\(trace)-\(span)",
        "00-\(trace.uppercased())-\(span)-01",
        "00-\(String(repeating: "0", count: 32))-\(span)-01", "00-\(trace)-0000000000000000-01",
        "00-\(trace)x-\(span)-01",
    ])
    func whatIsMalformedIsIgnored(text: String) { #expect(TraceParent(text) == nil) }
}
