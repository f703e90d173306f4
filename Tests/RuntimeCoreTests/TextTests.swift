import RuntimeCore
import Testing

@Suite struct TextTests {
    @Test(arguments: [
        ("30s", Duration.seconds(30)), ("250ms", .milliseconds(250)), ("1m30s", .seconds(90)), ("2h", .seconds(7200)),
        ("0ms", .zero),
    ])
    func aDurationReadsBackFromItsText(text: String, duration: Duration) throws {
        #expect(Duration(text: text) == duration)
        #expect(Duration(text: duration.text) == duration)
    }

    @Test(arguments: [1_068_321, 68_321, 1, 7_200_000_001]) func millisecondsHaveNoDigitsBehindTheThird(of: Int64) {
        let digits = "\(Duration.microseconds(of).milliseconds)".split(separator: ".").last
        #expect((digits?.count ?? 0) <= 3, "\(Duration.microseconds(of).milliseconds)")
    }

    @Test(arguments: ["", "30", "s", "-1s", "1.5s", "30 s", "30S", "1d", "9999999999999h", "٣s"])
    func whatIsNoDurationIsRefused(text: String) { #expect(Duration(text: text) == nil) }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (1_771_329_600_123_456, "2026-02-17T12:00:00.123456Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ] as [(Int64, String)])
    func aTimestampIsRFC3339InUTC(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).description == text)
        #expect(Timestamp(text)?.microseconds == microseconds)
    }

    @Test(arguments: ["", "2026-02-17", "2026-02-17T12:00:00", "2026-02-17T12:00:00+01:00", "2026-02-17T12:00:xxZ"])
    func whatIsNoTimestampIsRefused(text: String) { #expect(Timestamp(text) == nil) }

    @Test(
        arguments: [
            ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:0", "::1", 0), ("localhost:65535", "localhost", 65535),
        ] as [(String, String, UInt16)])
    func anAddressReadsBackFromItsText(text: String, host: String, port: UInt16) {
        #expect(SocketAddress(text) == SocketAddress(host: host, port: port))
        #expect(SocketAddress(host: host, port: port).description == text)
    }

    @Test(arguments: ["", "80", ":80", "::1:80", "host", "host:", "host:65536", "host:-1"])
    func whatIsNoAddressIsRefused(text: String) { #expect(SocketAddress(text) == nil) }
}
