/// Which statements a connection has prepared: SQL text to name, the least recently used given up first.
struct StatementCache {
    private struct Entry {
        let name: String
        var lastUse: UInt64
    }

    let capacity: Int
    private var entries: [String: Entry] = [:]
    private var uses: UInt64 = 0
    private var made: UInt64 = 0

    init(capacity: Int) { self.capacity = capacity }

    /// The name under which `sql` is prepared.
    mutating func name(for sql: String) -> String? {
        uses += 1
        entries[sql]?.lastUse = uses
        return entries[sql]?.name
    }

    /// A name never used before on this connection.
    mutating func newName() -> String {
        made += 1
        return "wvs_\(made)"
    }

    mutating func insert(_ sql: String, name: String) {
        uses += 1
        entries[sql] = Entry(name: name, lastUse: uses)
    }

    mutating func remove(_ sql: String) -> String? { entries.removeValue(forKey: sql)?.name }

    /// Takes out what is beyond the capacity; the caller deallocates it on the server.
    mutating func evict() -> [String] {
        var names: [String] = []
        while entries.count > capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            entries[oldest.key] = nil
            names.append(oldest.value.name)
        }
        return names
    }
}
