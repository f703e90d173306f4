import JSON

/// Snapshots and tasks by the beginning of their id.
enum IDPrefix {
    /// How many of the newest are looked through.
    private static let reach = 1000

    static func snapshot(_ text: String, of wsid: String, _ client: APIClient) throws(CommandError) -> String {
        try resolve(
            text, member: "snapshot_id", what: "snapshot of \(wsid)",
            list: "/v1/workspaces/\(pathSegment(wsid))/snapshots", client)
    }

    static func task(_ text: String, _ client: APIClient) throws(CommandError) -> String {
        try resolve(text, member: "task_id", what: "task", list: "/v1/tasks", client)
    }

    private static func resolve(
        _ text: String, member: String, what: String, list: String, _ client: APIClient
    ) throws(CommandError) -> String {
        guard (1...36).contains(text.utf8.count), text.utf8.allSatisfy(mayBeOfID) else {
            throw CommandError(.usage, "'\(oneLine(text))' is neither the id of a \(what) nor the beginning of one")
        }
        let prefix = text.lowercased()
        if prefix.utf8.count == 36 { return prefix }
        var matches: [String] = []
        var seen = 0
        var cursor: String?
        repeat {
            let page = try client.get(list + "?limit=100" + (cursor.map { "&cursor=\(pathSegment($0))" } ?? "")).body
            let items = page["items"]?.array ?? []
            matches += items.compactMap { $0.cell(member) }.filter { $0.hasPrefix(prefix) }
            seen += items.count
            cursor = page.cell("next_cursor")
        } while cursor != nil && seen < reach && matches.count < 2
        if let only = matches.first, matches.count == 1 { return only }
        guard matches.isEmpty else {
            let some = matches.prefix(3).joined(separator: ", ") + (matches.count > 3 ? ", …" : "")
            throw CommandError(.usage, "'\(text)' is the beginning of more than one \(what): \(some)")
        }
        let depth = cursor == nil ? "" : " among the newest \(seen)"
        throw CommandError(.notFound, "no \(what)\(depth) has an id that begins with '\(text)'")
    }

    private static func mayBeOfID(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || Unicode.Scalar(byte).properties.isASCIIHexDigit
    }
}
