/// What a small strict JSON text holds. Numbers keep their text: fences are 64 bits wide, a double is not.
package enum JSONNode: Equatable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONNode])
    /// In the order of the text; no name twice.
    case object([(name: String, value: JSONNode)])

    package static func == (left: JSONNode, right: JSONNode) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)):
            left.elementsEqual(right) { $0.name == $1.name && $0.value == $1.value }
        default: false
        }
    }
}

/// Why a text is not what the protocol allows.
package struct Malformed: Error, Equatable {
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}

/// Reads RFC 8259 and nothing beside it: no duplicate names, NUL, lone surrogates, bad UTF-8, trailing text, nesting over 8.
///
/// Written by hand because Foundation's decoder accepts duplicate names and NUL, and would be half of the sidecar's private
/// memory; the documents are small and few.
package struct JSONReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0
    private static let maximumDepth = 8

    package static func parse(_ bytes: [UInt8]) throws(Malformed) -> JSONNode {
        // The typed throw does not pass through withUnsafeBufferPointer on this compiler.
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<JSONNode, Malformed> in
            var reader = JSONReader(bytes: buffer)
            return Result { () throws(Malformed) in try reader.document() }
        }
        return try result.get()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        // A document is padded: nine tenths of it may be spaces.
        let end = bytes.lastIndex { $0 != 0x20 }.map { $0 + 1 } ?? 0
        self.bytes = UnsafeBufferPointer(rebasing: bytes[..<end])
    }

    private mutating func document() throws(Malformed) -> JSONNode {
        let node = try value(depth: 0)
        skipSpace()
        guard index == bytes.count else { throw Malformed("text after the document") }
        return node
    }

    private mutating func value(depth: Int) throws(Malformed) -> JSONNode {
        guard depth <= Self.maximumDepth else { throw Malformed("nested too deeply") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw Malformed("the text ends early")
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(Malformed) -> JSONNode {
        index += 1
        var members: [(name: String, value: JSONNode)] = []
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw Malformed("a member's name is missing") }
            let name = try string()
            guard !members.contains(where: { $0.name == name }) else { throw Malformed("member twice: \(name)") }
            skipSpace()
            guard take(":") else { throw Malformed("a colon is missing") }
            members.append((name, try value(depth: depth + 1)))
            // Looking for a name is linear: nobody may make that expensive.
            guard members.count <= 64 else { throw Malformed("too many members") }
            skipSpace()
        } while take(",")
        guard take("}") else { throw Malformed("an object does not end") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(Malformed) -> JSONNode {
        index += 1
        var elements: [JSONNode] = []
        skipSpace()
        if take("]") { return .array(elements) }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw Malformed("an array does not end") }
        return .array(elements)
    }

    private mutating func string() throws(Malformed) -> String {
        index += 1
        let start = index
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { index += 1 }
        if take("\"") {
            // Nothing in it is escaped.
            guard let string = String(validating: bytes[start..<(index - 1)], as: UTF8.self) else {
                throw Malformed("not UTF-8")
            }
            return string
        }
        var text = Array(bytes[start..<index])
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw Malformed("not UTF-8") }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case ..<0x20: throw Malformed("a control character in a string")
            default: text.append(byte)
            }
        }
        throw Malformed("a string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Malformed) {
        guard let byte = peek else { throw Malformed("a string does not end") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try fourDigits()
            if (0xD800..<0xDC00).contains(code), take("\\"), take("u") {
                let low = try fourDigits()
                guard (0xDC00..<0xE000).contains(low) else { throw Malformed("a lone surrogate") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard code != 0, let scalar = Unicode.Scalar(code) else { throw Malformed("NUL or a lone surrogate") }
            text.append(contentsOf: Array(String(Character(scalar)).utf8))
        default: throw Malformed("an unknown escape")
        }
    }

    private mutating func fourDigits() throws(Malformed) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw Malformed("an unknown escape")
            }
            code = code << 4 + UInt32(digit)
            index += 1
        }
        return code
    }

    private mutating func number() throws(Malformed) -> JSONNode {
        let start = index
        _ = take("-")
        if !take("0") { guard digits() > 0 else { throw Malformed("an unknown value") } }
        if take(".") { guard digits() > 0 else { throw Malformed("a number ends early") } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() > 0 else { throw Malformed("a number ends early") }
        }
        return .number(String(decoding: bytes[start..<index], as: UTF8.self))
    }

    private mutating func digits() -> Int {
        let start = index
        while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { index += 1 }
        return index - start
    }

    private mutating func word(_ word: StaticString, _ node: JSONNode) throws(Malformed) -> JSONNode {
        for offset in 0..<word.utf8CodeUnitCount {
            guard peek == word.utf8Start[offset] else { throw Malformed("an unknown value") }
            index += 1
        }
        return node
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }
}
