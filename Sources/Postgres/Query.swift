/// A statement and its values. A value in a string interpolation becomes a parameter, never text of the statement:
///
/// ```swift
/// let query: Query = "SELECT owner FROM wvs.workspaces WHERE wsid = \(wsid)"
/// ```
///
/// Fixed text that is no literal goes in as `\(unescaped: text)`, a part of a statement with its values as `\(part)`.
package struct Query: ExpressibleByStringInterpolation, Equatable, Sendable {
    /// With `$1`, `$2`… for the values. The prepared statement is looked up by it.
    package let sql: String
    let parameters: [String?]
    /// The text around the parameters, one piece more than there are parameters.
    private let pieces: [String]

    package init(stringLiteral value: String) { self.init(pieces: [value], parameters: []) }

    package init(stringInterpolation: StringInterpolation) {
        self.init(pieces: stringInterpolation.pieces, parameters: stringInterpolation.parameters)
    }

    private init(pieces: [String], parameters: [String?]) {
        // The protocol counts parameters in 16 bits.
        precondition(parameters.count <= 65_535, "too many parameters in one statement; pass an array")
        var sql = pieces.first ?? ""
        for (index, piece) in pieces.dropFirst().enumerated() { sql += "$\(index + 1)\(piece)" }
        self.sql = sql
        self.parameters = parameters
        self.pieces = pieces
    }

    package static func == (left: Query, right: Query) -> Bool {
        left.parameters == right.parameters && left.sql == right.sql
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var pieces = [""]
        fileprivate var parameters: [String?] = []

        package init(literalCapacity: Int, interpolationCount: Int) {
            pieces.reserveCapacity(interpolationCount + 1)
            parameters.reserveCapacity(interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) { pieces[pieces.count - 1] += literal }

        package mutating func appendInterpolation(_ value: some PostgresValue) {
            parameters.append(value.postgresText)
            pieces.append("")
        }

        /// nil is NULL. (The compiler warns of an optional in an interpolation that has no place for one.)
        package mutating func appendInterpolation(_ value: (some PostgresValue)?) {
            parameters.append(value.flatMap { $0.postgresText })
            pieces.append("")
        }

        package mutating func appendInterpolation(_ part: Query) {
            pieces[pieces.count - 1] += part.pieces[0]
            pieces += part.pieces.dropFirst()
            parameters += part.parameters
        }

        /// Never for anything that came from outside.
        package mutating func appendInterpolation(unescaped sql: String) { appendLiteral(sql) }
    }
}
