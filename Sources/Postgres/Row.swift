private import CPostgres
private import Glibc

/// One row of a result. Columns are read by name.
package struct Row: Sendable {
    private let result: QueryResult
    private let index: CInt

    fileprivate init(result: QueryResult, index: CInt) {
        self.result = result
        self.index = index
    }

    /// Reads a column as the type that the caller expects; NULL needs an optional one.
    ///
    /// Throws a `.decoding` error that names the column, never its content.
    package func value<Value: PostgresValue>(_ column: String, as type: Value.Type = Value.self) throws(PostgresError)
        -> Value
    {
        let number = result.column(column)
        guard number >= 0 else { throw PostgresError(.decoding, "the result has no column \(column)") }
        let text = result.text(row: index, column: number)
        guard let value = Value(postgresText: text) else {
            throw PostgresError(.decoding, "column \(column) is \(text == nil ? "NULL, not" : "no") \(Value.self)")
        }
        return value
    }

    /// Reads the only, or first, column.
    package func first<Value: PostgresValue>(as type: Value.Type = Value.self) throws(PostgresError) -> Value {
        guard let value = Value(postgresText: result.text(row: index, column: 0)) else {
            throw PostgresError(.decoding, "the first column is no \(Value.self)")
        }
        return value
    }
}

/// Owns one `PGresult`.
final class QueryResult: @unchecked Sendable {
    // Unchecked: libpq allows any number of threads to read one finished result, and nobody writes to it.
    private let raw: OpaquePointer

    init(owning raw: OpaquePointer) { self.raw = raw }

    deinit { PQclear(raw) }

    var rows: [Row] { (0..<PQntuples(raw)).map { Row(result: self, index: $0) } }

    /// Rows inserted, updated, deleted or selected.
    var affected: Int { Int(String(cString: PQcmdTuples(raw))) ?? 0 }

    enum Outcome { case ok, failed, aborted, pipelineEnd, unexpected }

    var outcome: Outcome {
        switch PQresultStatus(raw) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: .ok
        case PGRES_PIPELINE_SYNC: .pipelineEnd
        case PGRES_PIPELINE_ABORTED: .aborted
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: .failed
        default: .unexpected
        }
    }

    /// The server's refusal; nil where there is no SQLSTATE, which means that the connection broke.
    var error: PostgresError? {
        guard let sqlState = field(sqlStateField) else { return nil }
        let message = field(messageField) ?? "the server gave no reason"
        // Class 22 (data exceptions) quotes values; the others quote identifiers and the statement's own text.
        return PostgresError(
            .sqlState, sqlState.hasPrefix("22") ? withoutValues(message) : message, sqlState: sqlState,
            constraint: field(constraintField))
    }

    fileprivate func column(_ name: String) -> CInt {
        // Not PQfnumber: it folds case and allocates.
        name.withCString { name in
            (0..<PQnfields(raw)).first { strcmp(PQfname(raw, $0), name) == 0 } ?? -1
        }
    }

    fileprivate func text(row: CInt, column: CInt) -> String? {
        guard PQgetisnull(raw, row, column) == 0 else { return nil }
        return PQgetvalue(raw, row, column).map { String(cString: $0) }
    }

    private func field(_ code: UnicodeScalar) -> String? {
        PQresultErrorField(raw, CInt(code.value)).map { String(cString: $0) }
    }
}

// PG_DIAG_SQLSTATE and its like are character literals, which Swift does not import.
private let sqlStateField: UnicodeScalar = "C"
private let messageField: UnicodeScalar = "M"
private let constraintField: UnicodeScalar = "n"
