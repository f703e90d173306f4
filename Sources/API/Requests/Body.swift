import HTTPServer
import JSON

/// The members of a request's JSON object. Each is asked for by name and type; what nobody asked for is refused.
struct Body {
    /// What the request hash is made of: nil for no body.
    let json: JSONValue?
    private let members: JSONObject
    private var known: Set<String> = []

    /// Reads a body that may be left out.
    init(_ request: Request) throws {
        guard !request.body.isEmpty else {
            json = nil
            members = [:]
            return
        }
        let type = request.headers["Content-Type"]?.prefix { $0 != ";" }.lowercased() ?? ""
        guard type.filter({ $0 != " " }) == "application/json" else {
            throw Refusal(status: 415, detail: "the body must be application/json")
        }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: request.body)
        } catch {
            throw APIError.badRequest(error.message)
        }
        guard let object = value.object else {
            throw APIError.badRequest("the body must be a JSON object, not \(value.typeName)")
        }
        json = value
        members = object
    }

    /// Reads the body of a request that needs none: an object without members will do too.
    @discardableResult
    static func none(_ request: Request) throws -> Body {
        let body = try Body(request)
        try body.finish()
        return body
    }

    /// A string of `length` characters; nil where it is left out or null.
    mutating func string(_ name: String, length: ClosedRange<Int>) throws(APIError) -> String? {
        guard let value = take(name) else { return nil }
        guard let text = value.string else { throw mistyped(name, value, "a string") }
        guard length.contains(text.unicodeScalars.count) else {
            throw .badRequest("\(name) must have \(length.lowerBound) to \(length.upperBound) characters")
        }
        return text
    }

    mutating func required(_ name: String, length: ClosedRange<Int>) throws(APIError) -> String {
        guard let text = try string(name, length: length) else { throw .badRequest("\(name) is missing") }
        return text
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = take(name) else { return nil }
        // 7.0 is a whole number too (JSON Schema, section 6.1.1); canonical JSON writes both the same.
        guard let number = value.double else { throw mistyped(name, value, "a whole number") }
        guard number == number.rounded() else { throw .badRequest("\(name) must be a whole number") }
        guard let number = Int(exactly: number), range.contains(number) else {
            throw .badRequest("\(name) must be \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    mutating func bool(_ name: String) throws(APIError) -> Bool? {
        guard let value = take(name) else { return nil }
        guard let flag = value.bool else { throw mistyped(name, value, "a boolean") }
        return flag
    }

    /// Throws where the body has a member that nobody asked for.
    func finish() throws(APIError) {
        if let name = members.names.first(where: { !known.contains($0) }) {
            throw .badRequest("unknown member \(JSONValue.string(name).text)")
        }
    }

    private mutating func take(_ name: String) -> JSONValue? {
        known.insert(name)
        // Spelled out: a literal nil would be JSON's null, which is a value.
        guard let value = members[name], !value.isNull else { return Optional.none }
        return value
    }

    private func mistyped(_ name: String, _ value: JSONValue, _ expected: String) -> APIError {
        .badRequest("\(name) must be \(expected), not \(value.typeName)")
    }
}
