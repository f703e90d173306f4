import JSON

extension Command {
    static let snapshotList = Command(
        "snapshot", "list", "list a workspace's snapshots, newest first", positionals: ["WSID"],
        options: [
            Option("--limit", value: "N", "how many, 1 to 100 [20]"),
            Option("--cursor", value: "CURSOR", "continue where the page before ended"),
        ],
        example: "snapshot list ws-1"
    ) { invocation throws(CommandError) in
        var query: [String] = []
        if let limit = try invocation.integer("--limit", in: 1...100) { query.append("limit=\(limit)") }
        if let cursor = invocation.option("--cursor") { query.append("cursor=\(pathSegment(cursor))") }
        let path = "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))/snapshots"
        let suffix = query.isEmpty ? "" : "?" + query.joined(separator: "&")
        let page = try invocation.client.get(path + suffix).body
        invocation.output.print(page) { page in
            var table = Table("SNAPSHOT", "CREATED", "MESSAGE")
            for item in page["items"]?.array ?? [] {
                table.add(
                    item.cell("snapshot_id") ?? "-", item.cell("created_at") ?? "-",
                    item.cell("message").map { $0.replacing("\n", with: " ") } ?? "-")
            }
            return table.text(invocation.output.terminal)
        }
        if let cursor = page.cell("next_cursor") { invocation.output.terminal.say("there is more: --cursor \(cursor)") }
    }
}
