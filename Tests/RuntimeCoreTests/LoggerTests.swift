import Glibc
import RuntimeCore
import Testing

@Suite struct LoggerTests {
    @Test func aLineIsOneJSONObjectWithItsFields() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        let logger = Logger(level: .info, descriptor: ends[1]).with(.wsid, "ws-1").with(.attempt, 1)
        logger.debug("not written")
        logger.info("task started", [.attempt: 2, .error: "a \"b\"\n"])
        close(ends[1])
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(ends[0], &buffer, buffer.count)
        close(ends[0])
        let line = String(decoding: buffer[..<count], as: UTF8.self)
        #expect(line.hasPrefix("{\"level\":\"info\",\"ts\":\""))
        #expect(
            line.hasSuffix(",\"msg\":\"task started\",\"wsid\":\"ws-1\",\"attempt\":2,\"error\":\"a \\\"b\\\"\\n\"}\n"))
        #expect(line.split(separator: "\n").count == 1)
    }

    @Test("Where nobody reads, a logger that must not wait loses lines, and is back when somebody does")
    func doesNotWait() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let logger = Logger(level: .info, descriptor: ends[1], mayWait: false)
        // Twice as much as a pipe holds, in lines that are longer than a page too.
        let long = String(repeating: "x", count: 6000)
        for _ in 0..<200 { logger.info("said to nobody", [.detail: .text(long)]) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        #expect(read(ends[0], &buffer, buffer.count) > 0)
        logger.info("heard")
        let count = read(ends[0], &buffer, buffer.count)
        #expect(String(decoding: buffer[..<max(0, count)], as: UTF8.self).contains("heard"))
    }
}
