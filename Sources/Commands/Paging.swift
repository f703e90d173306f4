import JSON

extension Invocation {
    /// Shows one page of a list, or with `--all` all of them.
    ///
    /// - Parameters:
    ///   - path: of the list, without a query.
    ///   - filters: further query parameters; nil is left out.
    func list(_ path: String, filters: [(String, String?)] = [], _ view: View) throws(CommandError) {
        var query = filters.compactMap { name, value in value.map { "\(name)=\(pathSegment($0))" } }
        let limit = try integer("--limit", in: 1...100)
        if let limit = limit ?? (has("--all") ? 100 : nil) { query.append("limit=\(limit)") }
        let client = try client
        var cursor = option("--cursor")
        var items: [JSONValue] = []
        repeat {
            let all = query + (cursor.map { ["cursor=\(pathSegment($0))"] } ?? [])
            let page = try client.get(path + (all.isEmpty ? "" : "?" + all.joined(separator: "&"))).body
            items += page["items"]?.array ?? []
            cursor = page.cell("next_cursor")
        } while cursor != nil && has("--all")
        output.list(["items": .array(items), "next_cursor": JSONValue(cursor)], view)
        if let cursor, [.table, .wide].contains(output.form) {
            output.terminal.say("there is more: --cursor \(cursor), or --all")
        }
    }
}
