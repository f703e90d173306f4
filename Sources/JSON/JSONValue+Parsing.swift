private import CJansson

/// Why a text is not acceptable JSON.
package struct JSONError: Error, Equatable, CustomStringConvertible {
    /// For the sender of the text; names the line and column, and with a duplicate member its name.
    package let message: String
    package var description: String { message }
}

extension JSONValue {
    /// Reads a whole JSON text strictly: no duplicate member, no NUL, no lone surrogate, no invalid UTF-8, no integer beyond
    /// 64 bits, nothing after the value.
    ///
    /// - Parameter depth: how many arrays and objects may stand within each other.
    package init(parsing text: some Collection<UInt8>, depth: Int = 64) throws(JSONError) {
        var error = json_error_t()
        let bytes = Array(text)
        // jansson builds its tree before we count; its own bound of 2,048 levels keeps it off the stack's end.
        let root = bytes.withUnsafeBytes { buffer in
            json_loadb(buffer.baseAddress, buffer.count, size_t(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY), &error)
        }
        guard let root else {
            // Its advice to its caller means nothing to the sender.
            let reason = withUnsafeBytes(of: &error.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                .replacing(" without JSON_ALLOW_NUL", with: "")
            throw JSONError(message: "invalid JSON at line \(error.line), column \(error.column): \(reason)")
        }
        defer { json_decref(root) }
        self = try Self.convert(root, level: 0, depth: depth)
    }

    package init(parsing text: String, depth: Int = 64) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), depth: depth)
    }

    private static func convert(
        _ node: UnsafeMutablePointer<json_t>, level: Int, depth: Int
    ) throws(JSONError) -> JSONValue {
        switch node.pointee.type {
        case JSON_STRING:
            return .string(text(json_string_value(node), json_string_length(node)))
        case JSON_INTEGER: return .integer(json_integer_value(node))
        case JSON_REAL: return .number(json_real_value(node))
        case JSON_TRUE: return .bool(true)
        case JSON_FALSE: return .bool(false)
        case JSON_ARRAY:
            let level = try deeper(level, depth)
            var elements: [JSONValue] = []
            for index in 0..<json_array_size(node) {
                if let element = json_array_get(node, index) {
                    elements.append(try convert(element, level: level, depth: depth))
                }
            }
            return .array(elements)
        case JSON_OBJECT:
            let level = try deeper(level, depth)
            var object = JSONObject()
            var iterator = json_object_iter(node)
            while let current = iterator {
                if let name = json_object_iter_key(current), let value = json_object_iter_value(current) {
                    // jansson has refused duplicates; to look for each again would take quadratic time.
                    object.append(new: String(cString: name), try convert(value, level: level, depth: depth))
                }
                iterator = json_object_iter_next(node, current)
            }
            return .object(object)
        default: return .null
        }
    }

    private static func deeper(_ level: Int, _ depth: Int) throws(JSONError) -> Int {
        if level == depth { throw JSONError(message: "invalid JSON: nested more than \(depth) levels deep") }
        return level + 1
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ length: Int) -> String {
        String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
    }
}
