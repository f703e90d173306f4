package import RuntimeCore

/// A Swift value that goes to and comes from the server as text.
///
/// Parameters are sent without a type: the server infers it from where they stand. Where it can not, cast: `\(ids)::text[]`.
package protocol PostgresValue: Sendable {
    /// The text for a parameter; nil is NULL.
    var postgresText: String? { get }
    /// Reads a column; nil says that the text is nothing of this type.
    init?(postgresText: String?)
}

extension PostgresValue where Self: LosslessStringConvertible {
    package var postgresText: String? { description }

    package init?(postgresText: String?) {
        guard let postgresText else { return nil }
        self.init(postgresText)
    }
}

extension PostgresValue where Self: RawRepresentable, RawValue == String {
    package var postgresText: String? { rawValue }

    package init?(postgresText: String?) {
        guard let postgresText else { return nil }
        self.init(rawValue: postgresText)
    }
}

/// Also for `json` and `jsonb`, whose text this is.
extension String: PostgresValue {}
extension Int: PostgresValue {}
extension Int32: PostgresValue {}
extension Int64: PostgresValue {}
/// The server writes and reads the shortest text that gives the same number.
extension Double: PostgresValue {}

extension Bool: PostgresValue {
    package var postgresText: String? { self ? "t" : "f" }

    package init?(postgresText: String?) {
        switch postgresText {
        case "t": self = true
        case "f": self = false
        default: return nil
        }
    }
}

/// For `timestamptz`; the session's time zone is UTC.
extension Timestamp: PostgresValue {
    package var postgresText: String? { description }

    package init?(postgresText: String?) {
        guard let postgresText else { return nil }
        self.init(postgresText)
    }
}

extension Optional: PostgresValue where Wrapped: PostgresValue {
    package var postgresText: String? { flatMap(\.postgresText) }

    package init?(postgresText: String?) {
        guard let postgresText else {
            self = .none
            return
        }
        guard let value = Wrapped(postgresText: postgresText) else { return nil }
        self = .some(value)
    }
}
