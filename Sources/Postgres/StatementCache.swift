/// Which statements a connection has prepared: SQL text to name, the least recently used given up first.
struct StatementCache {
    private struct Entry {
        let name: String
        var lastUse: UInt64
    }

    private let capacity: Int
    private var entries: [String: Entry] = [:]
    private var retired: [String] = []
    private var uses: UInt64 = 0
    private var made: UInt64 = 0

    init(capacity: Int) { self.capacity = capacity }

    /// The name under which `sql` is prepared.
    mutating func name(for sql: String) -> String? {
        guard let index = entries.index(forKey: sql) else { return nil }
        uses += 1
        entries.values[index].lastUse = uses
        return entries.values[index].name
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

    /// Takes out what the server no longer has; false if it was not there.
    mutating func forget(_ sql: String) -> Bool { entries.removeValue(forKey: sql) != nil }

    /// Takes out what is of no more use, to be deallocated with the next eviction; false if it was not there.
    mutating func retire(_ sql: String) -> Bool {
        guard let entry = entries.removeValue(forKey: sql) else { return false }
        retired.append(entry.name)
        return true
    }

    /// Takes out what is beyond the capacity, and the retired; the caller deallocates them on the server.
    mutating func evict() -> [String] {
        var names = retired
        retired = []
        while entries.count > capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            entries[oldest.key] = nil
            names.append(oldest.value.name)
        }
        return names
    }
}
