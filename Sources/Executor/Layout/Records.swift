import FoundationEssentials
private import Runtime
import RuntimeCore

/// `snapshots/<id>.json`: what a snapshot is. Outside the payload, so that no agent can forge it and no clone copies it.
struct SnapshotManifest: Codable, Equatable, Sendable {
    var version = 1
    let snapshotID: String
    let wsid: String
    let taskID: String
    let requestID: String
    let fence: UInt64
    /// The live tree it was cloned from.
    let liveID: String
    let message: String
    let engine: String
    let entries: UInt64
    let bytes: UInt64
    let createdAt: String
    let receipt: ReceiptRecord

    enum CodingKeys: String, CodingKey {
        case version, wsid, fence, message, engine, entries, bytes, receipt
        case snapshotID = "snapshot_id"
        case taskID = "task_id"
        case requestID = "request_id"
        case liveID = "live_id"
        case createdAt = "created_at"
    }
}

/// `live/<id>.json`: where a live tree came from.
struct LiveOrigin: Codable, Equatable, Sendable {
    var version = 1
    let liveID: String
    /// Nil for the empty tree that a workspace begins with.
    let snapshotID: String?
    /// The live tree that was current before; nil for the first.
    let previous: String?
    /// The id that the task asked for, where a tree of that name was there already; else nil.
    var requestedID: String?
    /// The tree that the workspace began with, whose record may be gone by now; nil where that is not known.
    var first: String?
    let taskID: String
    let requestID: String
    let fence: UInt64
    /// What cloned it; nil for the first tree.
    let engine: String?
    let createdAt: String
    /// How the agent stood still while `current` was switched; nil until it runs again, and for the first tree.
    var receipt: ReceiptRecord?

    enum CodingKeys: String, CodingKey {
        case version, previous, first, fence, engine, receipt
        case liveID = "live_id"
        case requestedID = "requested_id"
        case snapshotID = "snapshot_id"
        case taskID = "task_id"
        case requestID = "request_id"
        case createdAt = "created_at"
    }

    /// The tree that the workspace began with, as far as this record knows.
    var beginning: String? { first ?? (previous == nil ? liveID : nil) }
}

extension Directory {
    /// The ids of what is below `live`: of trees, of records without a tree.
    func liveIDs() throws(SystemError) -> Set<String> {
        Set(try names().map { $0.hasSuffix(".json") ? String($0.dropLast(5)) : $0 }.filter(UUIDv7.isValid))
    }

    /// The ids of records below `live` that have no tree.
    func liveIDsWithoutTree() throws(SystemError) -> [String] {
        let names = Set(try names())
        return names.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }
            .filter { UUIDv7.isValid($0) && !names.contains($0) }
    }

    /// Reads a record; nil where there is none. One that cannot be read, or is not the expected one, is an error.
    func readRecord<Record: Decodable>(_ name: String, as type: Record.Type, matching isExpected: (Record) -> Bool)
        throws -> Record?
    {
        guard let bytes = try readSmallFile(name) else { return nil }
        let record: Record
        do {
            record = try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw ForgedFile(path: subject(name), reason: "is no record of WVS: \(error)")
        }
        guard isExpected(record) else { throw ForgedFile(path: subject(name), reason: "describes something else") }
        return record
    }

    func createRecord(_ name: String, _ record: some Encodable, owner: Ownership) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try createSmallFile(name, Array(encoder.encode(record)) + [UInt8(ascii: "\n")], owner: owner)
    }
}
