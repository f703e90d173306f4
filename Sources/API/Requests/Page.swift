import HTTPServer
import JSON
import RuntimeCore
import Store

/// Which part of a list a client wants: `limit` rows behind `cursor`.
struct Page {
    private static let limits = 1...100
    private static let fallback = 20

    let limit: Int
    let after: PageKey?

    init(_ request: Request) throws(APIError) {
        if let text = try request.filter("limit") {
            // Digits only: Int would also read a sign.
            guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let limit = Int(text),
                Page.limits.contains(limit)
            else {
                throw .badRequest("limit must be \(Page.limits.lowerBound) to \(Page.limits.upperBound)")
            }
            self.limit = limit
        } else {
            limit = Page.fallback
        }
        // An empty cursor is the beginning.
        if let text = try request.filter("cursor"), !text.isEmpty {
            guard let key = PageKey(cursor: text) else {
                throw .badRequest("cursor must be the next_cursor of a page of this list")
            }
            after = key
        } else {
            after = nil
        }
    }

    /// A page of rows.
    ///
    /// - Parameter rows: one more than `limit`, where there are that many: it tells that there is a next page.
    func answer<Row>(_ rows: [Row], to request: Request, key: (Row) -> PageKey, json: (Row) -> JSONValue) -> Response {
        let shown = rows.prefix(limit)
        let next = rows.count > limit ? shown.last.map { key($0).cursor } : nil
        var response = Response.json(
            200, ["items": .array(shown.map(json)), "next_cursor": JSONValue(next)])
        if let next {
            // Path and other filters as they came; both are encoded as they have to be.
            let path = request.target.prefix { $0 != "?" }
            let filters = request.query.items.filter { $0.name != "cursor" && $0.name != "limit" }
                .map { "&\(formEncoded($0.name))=\(formEncoded($0.value))" }.joined()
            response.headers["Link"] = "<\(path)?limit=\(limit)&cursor=\(next)\(filters)>; rel=\"next\""
        }
        return response
    }
}

extension PageKey {
    /// Opaque to clients: microseconds and id, in hexadecimal digits so that it needs no encoding anywhere.
    var cursor: String { hexadecimal("\(createdAt.microseconds).\(id)") }

    init?(cursor: String) {
        guard cursor.utf8.count <= 512, let text = unhexadecimal(cursor) else { return nil }
        let parts = text.split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let microseconds = Int64(parts[0]), (0..<endOfTime).contains(microseconds),
            parts[1].utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { return nil }
        self.init(createdAt: Timestamp(microseconds: microseconds), id: String(parts[1]))
    }
}

/// The year 10000, beyond which timestamps have another form.
private let endOfTime: Int64 = 253_402_300_800_000_000
private let digits = Array("0123456789abcdef".utf8)

private func hexadecimal(_ text: String) -> String {
    String(decoding: text.utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

private func unhexadecimal(_ text: String) -> String? {
    let values = text.utf8.map { digits.firstIndex(of: $0) }
    guard values.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: values.count, by: 2) {
        guard let high = values[index], let low = values[index + 1] else { return nil }
        bytes.append(UInt8(high << 4 | low))
    }
    return String(validating: bytes, as: UTF8.self)
}

private func formEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        let scalar = Unicode.Scalar(byte)
        if scalar.properties.isAlphabetic && scalar.isASCII || (0x30...0x39).contains(byte)
            || "-._~".utf8.contains(byte)
        {
            result.unicodeScalars.append(scalar)
        } else {
            // Always two digits: queries with control characters do not get here.
            result += "%" + String(byte, radix: 16, uppercase: true)
        }
    }
    return result
}
