/// What went wrong with the database. Never holds values of a statement, rows or the connection string.
package struct PostgresError: Error, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The connection string can not be read.
        case malformedDSN
        /// No connection could be made: nobody answers, refuses, or does not know us. Worth a retry.
        case unreachable
        /// The connection broke under a call. Whether the server did what was asked is unknown.
        case connectionLost
        /// The server refused a statement; `sqlState` says why.
        case sqlState
        /// A column is missing, or does not hold what the caller asked for.
        case decoding
        /// The Swift task was cancelled; the server was told while a statement ran.
        case canceled
        /// No connection became free in time, or too many callers wait already.
        case poolExhausted
        /// The pool has been shut down.
        case closed
    }

    package let code: Code
    /// The server's SQLSTATE (PostgreSQL, Appendix A), five characters.
    package let sqlState: String?
    /// Why, without values.
    package let message: String
    /// The constraint that a row would have broken, for the class 23 of SQLSTATE.
    package let constraint: String?

    package init(_ code: Code, _ message: String, sqlState: String? = nil, constraint: String? = nil) {
        self.code = code
        self.sqlState = sqlState
        self.message = message
        self.constraint = constraint
    }

    package var description: String {
        var text = "postgres: \(message)"
        if let sqlState { text += " (SQLSTATE \(sqlState))" }
        return text
    }

    /// Whether a unique index or constraint was hit (23505), and which if a name is given.
    package func isUniqueViolation(of name: String? = nil) -> Bool {
        sqlState == "23505" && (name == nil || name == constraint)
    }

    /// Whether a lock was not to be had in the time that `lock_timeout` allows (55P03).
    package var isLockTimeout: Bool { sqlState == "55P03" }

    /// Whether the database can not be worked with for now, whatever is asked of it.
    package var isUnavailable: Bool {
        switch code {
        case .unreachable, .connectionLost, .poolExhausted, .closed: true
        // Classes 08 connection, 53 resources, 57P operator intervention; 25006: a standby, after a failover.
        case .sqlState:
            sqlState.map { state in ["08", "53", "57P", "25006"].contains { state.hasPrefix($0) } } ?? false
        case .malformedDSN, .decoding, .canceled: false
        }
    }
}

/// A libpq message on one line, with whatever stands in double quotes hidden: there may be values, and parts of a password where
/// a connection string was misread.
func withoutValues(_ message: String) -> String {
    var text = ""
    var quoted = false
    for character in message {
        switch character {
        case "\"":
            text += quoted ? "…\"" : "\""
            quoted.toggle()
        case "\n": if !quoted { text += "; " }
        case "\t": break
        default: if !quoted { text.append(character) }
        }
    }
    if quoted { text += "…\"" }
    return text.hasSuffix("; ") ? String(text.dropLast(2)) : text
}
