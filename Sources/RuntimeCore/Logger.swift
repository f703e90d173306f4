private import Glibc

/// The names of log fields. One list for all programs, so that one request can be followed through them.
package enum LogKey: String, Sendable {
    case requestID = "request_id"
    case taskID = "task_id"
    case traceID = "trace_id"
    case spanID = "span_id"
    case wsid, op, status, attempt, fence, epoch, phase, outcome
    case method, route, path, code, detail, address, port, reason, error, sqlstate, signal, pid, version
    case durationMilliseconds = "duration_ms"
    case delayMilliseconds = "delay_ms"
    case firstPhaseMilliseconds = "first_phase_ms"
    case secondPhaseMilliseconds = "second_phase_ms"
    case renewed, removed, doubtful
    case count, entries, engine, executor, worker, sidecar, cgroup, snapshotID = "snapshot_id", liveID = "live_id"
    case consistency, processes, threads, flushed, held, state, program, setting, limit, channel, failpoint, volume
}

/// A log field's value.
package enum LogValue: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    case text(String)
    case integer(Int64)
    case number(Double)
    case flag(Bool)

    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .flag(value) }
    /// Anything that says what it is: errors, ids, states.
    package init(_ value: some CustomStringConvertible) { self = .text(value.description) }
    package init(_ error: any Error) { self = .text(String(describing: error)) }
}

/// Writes one JSON object a line to standard error, with the members that seeds 09 asks for.
package struct Logger: Sendable {
    package enum Level: String, CaseIterable, Comparable, Sendable {
        case debug, info, warn, error
        package static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }
        private var rank: Int { Level.allCases.firstIndex(of: self) ?? 0 }
    }

    private let level: Level
    private let descriptor: CInt
    private let mayWait: Bool
    private var fields: [(LogKey, LogValue)] = []

    /// - Parameters:
    ///   - level: what is below it is dropped.
    ///   - descriptor: where the lines go; standard error.
    ///   - mayWait: false for a program that others wait for: while whoever reads its log does not, lines are lost.
    package init(level: Level = .info, descriptor: CInt = STDERR_FILENO, mayWait: Bool = true) {
        self.level = level
        self.descriptor = descriptor
        self.mayWait = mayWait
    }

    /// A logger that puts a field on every line.
    package func with(_ key: LogKey, _ value: LogValue) -> Logger { with([(key, value)]) }

    /// A logger that puts fields on every line.
    package func with(_ fields: [(LogKey, LogValue)]) -> Logger {
        guard !fields.isEmpty else { return self }
        var copy = self
        copy.fields.removeAll { old in fields.contains { $0.0 == old.0 } }
        copy.fields += fields
        return copy
    }

    package func debug(
        _ message: StaticString, _ fields: KeyValuePairs<LogKey, LogValue> = [:], file: StaticString = #fileID,
        line: UInt = #line
    ) { write(.debug, message, fields, file, line) }

    package func info(
        _ message: StaticString, _ fields: KeyValuePairs<LogKey, LogValue> = [:], file: StaticString = #fileID,
        line: UInt = #line
    ) { write(.info, message, fields, file, line) }

    package func warn(
        _ message: StaticString, _ fields: KeyValuePairs<LogKey, LogValue> = [:], file: StaticString = #fileID,
        line: UInt = #line
    ) { write(.warn, message, fields, file, line) }

    package func error(
        _ message: StaticString, _ fields: KeyValuePairs<LogKey, LogValue> = [:], file: StaticString = #fileID,
        line: UInt = #line
    ) { write(.error, message, fields, file, line) }

    private func write(
        _ level: Level, _ message: StaticString, _ extra: KeyValuePairs<LogKey, LogValue>, _ file: StaticString,
        _ line: UInt
    ) {
        guard level >= self.level else { return }
        var text = "{\"level\":\""
        text.reserveCapacity(512)
        text += level.rawValue
        text += "\",\"ts\":\""
        text += Timestamp.now.text(fractionDigits: 3)
        text += "\",\"caller\":\"\(file):\(line)\",\"msg\":"
        appendJSONString(message.description, to: &text)
        for (key, value) in fields where !extra.contains(where: { $0.key == key }) { append(key, value, to: &text) }
        for (key, value) in extra { append(key, value, to: &text) }
        text += "}\n"
        // One write for a line, so that lines of several threads or processes do not mix.
        text.withUTF8 { line in
            if mayWait {
                _ = Glibc.write(descriptor, line.baseAddress, line.count)
            } else {
                writeWithoutWaiting(UnsafeRawBufferPointer(line))
            }
        }
    }

    /// The descriptor cannot be made non-blocking: others share it. But a pipe, a socket or a terminal that is ready takes this much at
    /// once (PIPE_BUF of pipe(7)).
    private func writeWithoutWaiting(_ line: UnsafeRawBufferPointer) {
        var rest = line[...]
        while !rest.isEmpty {
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&entry, 1, 0) == 1, entry.revents & Int16(POLLOUT) != 0 else { return }
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(4096))
            let count = Glibc.write(descriptor, part.baseAddress, part.count)
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    private func append(_ key: LogKey, _ value: LogValue, to text: inout String) {
        text += ",\""
        text += key.rawValue
        text += "\":"
        switch value {
        case .text(let string): appendJSONString(string, to: &text)
        case .integer(let integer): text += String(integer)
        case .number(let number): text += number.isFinite ? String(number) : "null"
        case .flag(let flag): text += flag ? "true" : "false"
        }
    }
}

/// Appends `value` as a JSON string (RFC 8259, section 7), quotes included.
package func appendJSONString(_ value: String, to text: inout String) {
    text += "\""
    defer { text += "\"" }
    // Almost always there is nothing to escape, and whole strings are added much faster than scalars.
    guard value.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
        return text += value
    }
    for scalar in value.unicodeScalars {
        switch scalar {
        case "\"": text += "\\\""
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        case "\u{08}": text += "\\b"
        case "\u{0c}": text += "\\f"
        case _ where scalar.value < 0x20:
            let hex = String(scalar.value, radix: 16)
            text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: text.unicodeScalars.append(scalar)
        }
    }
}
