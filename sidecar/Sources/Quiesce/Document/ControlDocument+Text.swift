import RuntimeCore

extension ControlDocument {
    /// Every write is this long, padded with spaces, so that the text never straddles two pages.
    package static let writtenSize = 4096
    /// A reader takes no more.
    package static let maximumSize = 64 * 1024
    /// What still fits into one write, with an acknowledgement and an error from each.
    package static let maximumSidecars = 5
    /// Bounds how long an executor may ask an agent to stand still without renewal, in milliseconds.
    package static let maximumLeaseMilliseconds: Int64 = 60_000
    private static let maximumErrorBytes = 240

    /// Reads a whole document; refuses what is not exactly version 1.
    init(parsing bytes: [UInt8]) throws(Malformed) {
        guard bytes.contains(where: { $0 != 0x20 }) else { throw Malformed("empty") }
        var members = try JSONMembers(try JSONReader.parse(bytes))
        guard members.names.first == "seq", members.names.last == "end" else { throw Malformed("seq first, end last") }
        let sequence: UInt64 = try members.integer("seq", in: 0...UInt64.max)
        let end: UInt64 = try members.integer("end", in: 0...UInt64.max)
        guard sequence == end else { throw Malformed("half written") }
        try members.version(1)
        self.init(
            sequence: sequence, state: try members.choice("state"),
            epoch: try members.integer("epoch", in: 0...UInt64.max),
            taskID: try members.string("task_id", limit: 64), requestID: try Self.requestID(&members),
            timestamp: try members.timestamp("timestamp"),
            leaseMilliseconds: try members.integer("lease_ms", in: 0...Self.maximumLeaseMilliseconds),
            leaseSequence: try members.integer("lease_seq", in: 0...UInt64.max),
            executor: try members.string("executor", limit: 64), expects: try Self.expects(&members),
            acknowledgements: try Self.acknowledgements(&members), expectCurrent: try Self.expectCurrent(&members),
            errors: try Self.errors(&members))
        try members.finish()
    }

    /// The padded text; nil where it does not fit into one write, or would not be read back as the same.
    func encoded() -> [UInt8]? {
        var bytes = Array(text.utf8)
        guard bytes.count <= Self.writtenSize else { return nil }
        bytes += [UInt8](repeating: 0x20, count: Self.writtenSize - bytes.count)
        // What the reader refuses is never written: a document nobody can read stops the workspace.
        guard let same = try? ControlDocument(parsing: bytes), same == self else { return nil }
        return bytes
    }

    /// Cuts a sidecar's error to what a document has room for.
    package static func errorText(_ text: String) -> String {
        var result = ""
        var size = 0
        for character in text {
            var escaped = ""
            appendJSONString(String(character), to: &escaped)
            size += escaped.utf8.count - 2
            guard size <= maximumErrorBytes - 2 else { break }
            result.append(character)
        }
        return result
    }

    private var text: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("seq", sequence)
            writer.member("version", 1)
            writer.member("state", state.rawValue)
            writer.member("epoch", epoch)
            writer.member("task_id", taskID)
            if let requestID { writer.member("request_id", requestID) }
            writer.member("timestamp", timestamp.description)
            writer.member("lease_ms", leaseMilliseconds)
            writer.member("lease_seq", leaseSequence)
            writer.member("executor", executor)
            writer.name("expects")
            writer.array { writer in for id in expects { writer.string(id) } }
            writer.name("acks")
            writer.object { writer in
                for (id, acknowledgement) in acknowledgements.sorted(by: { $0.key < $1.key }) {
                    writer.name(id)
                    acknowledgement.write(to: &writer)
                }
            }
            writer.name("expect_current")
            if let expectCurrent { writer.string(expectCurrent) } else { writer.literal("null") }
            writer.name("error")
            if errors.isEmpty {
                writer.literal("null")
            } else {
                writer.object { writer in
                    for (id, text) in errors.sorted(by: { $0.key < $1.key }) { writer.member(id, text) }
                }
            }
            writer.member("end", sequence)
        }
        return writer.text
    }

    /// The only member that may be missing.
    private static func requestID(_ members: inout JSONMembers) throws(Malformed) -> String? {
        members.names.contains("request_id") ? try members.string("request_id", limit: 64) : nil
    }

    private static func expects(_ members: inout JSONMembers) throws(Malformed) -> [String] {
        var ids: [String] = []
        for element in try members.elements("expects", limit: maximumSidecars) {
            guard case .string(let id) = element, Registration.isValid(id: id), !ids.contains(id) else {
                throw Malformed("expects")
            }
            ids.append(id)
        }
        return ids
    }

    private static func acknowledgements(_ members: inout JSONMembers) throws(Malformed) -> [String: Acknowledgement] {
        var result: [String: Acknowledgement] = [:]
        for (id, node) in try members.object("acks", limit: maximumSidecars) {
            guard Registration.isValid(id: id) else { throw Malformed("acks") }
            result[id] = try Acknowledgement(node)
        }
        return result
    }

    /// A relative path without `.` and `..`: it names a link's target inside the workspace, nothing else.
    private static func expectCurrent(_ members: inout JSONMembers) throws(Malformed) -> String? {
        let node = try members.node("expect_current")
        if node == .null { return nil }
        guard case .string(let path) = node, path.utf8.count <= 128,
            path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({ !["", ".", ".."].contains($0) })
        else { throw Malformed("expect_current") }
        return path
    }

    private static func errors(_ members: inout JSONMembers) throws(Malformed) -> [String: String] {
        let node = try members.node("error")
        if node == .null { return [:] }
        guard case .object(let entries) = node, !entries.isEmpty, entries.count <= maximumSidecars else {
            throw Malformed("error")
        }
        var result: [String: String] = [:]
        for (id, value) in entries {
            guard Registration.isValid(id: id), case .string(let text) = value, text.utf8.count <= maximumErrorBytes
            else { throw Malformed("error") }
            result[id] = text
        }
        return result
    }
}

extension JSONMembers {
    mutating func timestamp(_ name: String) throws(Malformed) -> Timestamp {
        guard let timestamp = Timestamp(try string(name, limit: 40)) else { throw Malformed(name) }
        return timestamp
    }
}

extension Acknowledgement {
    init(_ node: JSONNode) throws(Malformed) {
        var members = try JSONMembers(node)
        let nonce = try members.string("nonce", limit: 32)
        guard !nonce.isEmpty else { throw Malformed("nonce") }
        let count = 0...Int(Int32.max)
        self.init(
            nonce: nonce, method: try members.choice("method"), consistency: try members.choice("consistency"),
            processes: try members.integer("processes", in: count), threads: try members.integer("threads", in: count),
            flushedFiles: try members.integer("flushed_files", in: count),
            freezeMicroseconds: try members.milliseconds("freeze_ms"),
            flushMicroseconds: try members.milliseconds("flush_ms"), frozenAt: try members.timestamp("frozen_at"),
            held: try Self.held(&members), oldTree: try Self.oldTree(&members))
        try members.finish()
    }

    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("nonce", nonce)
            writer.member("method", method.rawValue)
            writer.member("consistency", consistency.rawValue)
            writer.member("processes", processes)
            writer.member("threads", threads)
            writer.member("flushed_files", flushedFiles)
            writer.member("freeze_ms", milliseconds: freezeMicroseconds)
            writer.member("flush_ms", milliseconds: flushMicroseconds)
            writer.member("frozen_at", frozenAt.description)
            writer.member("held", held)
            writer.name("old_tree")
            writer.array { writer in for pid in oldTree { writer.literal(String(pid)) } }
        }
    }

    private static func oldTree(_ members: inout JSONMembers) throws(Malformed) -> [Int32] {
        var result: [Int32] = []
        for element in try members.elements("old_tree", limit: oldTreeLimit) {
            // Linux gives no higher number (PID_MAX_LIMIT).
            guard case .number(let text) = element, let pid = Int32(text), (1...4_194_304).contains(pid) else {
                throw Malformed("old_tree")
            }
            result.append(pid)
        }
        return result
    }

    private static func held(_ members: inout JSONMembers) throws(Malformed) -> Bool? {
        switch try members.node("held") {
        case .null: return nil
        case .bool(let held): return held
        default: throw Malformed("held")
        }
    }
}
