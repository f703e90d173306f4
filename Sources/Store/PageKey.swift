import Postgres
package import RuntimeCore

/// Where a page of a list ends: newest first by `(created_at, id)`, so that rows of one instant neither repeat nor vanish.
package struct PageKey: Equatable, Sendable {
    package let createdAt: Timestamp
    package let id: String

    package init(createdAt: Timestamp, id: String) {
        self.createdAt = createdAt
        self.id = id
    }

    /// The condition for rows behind `key`; always true for the first page.
    static func rows(behind key: PageKey?, idColumn: String) -> Query {
        guard let key else { return "true" }
        return "(created_at, \(unescaped: idColumn)) < (\(key.createdAt)::timestamptz, \(key.id)::text)"
    }
}

/// How a row is locked until the end of the transaction.
package enum RowLock: String, Sendable {
    /// Others may read and share, none may change it.
    case share = "FOR SHARE"
    case update = "FOR UPDATE"
    /// As `update`, but foreign keys may still be checked against it.
    case noKeyUpdate = "FOR NO KEY UPDATE"
}
