private import CYAML
import JSON

/// YAML 1.1 by libyaml: what `-o yaml` prints, and the configuration file.
enum YAML {
    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    // MARK: Writing

    /// A document in block style, without its last line break.
    static func text(_ value: JSONValue) -> String {
        var emitter = yaml_emitter_t()
        precondition(yaml_emitter_initialize(&emitter) == 1, "out of memory")
        defer { yaml_emitter_delete(&emitter) }
        let written = Written()
        yaml_emitter_set_unicode(&emitter, 1)
        yaml_emitter_set_width(&emitter, -1)
        yaml_emitter_set_output(&emitter, append, Unmanaged.passUnretained(written).toOpaque())
        var document = yaml_document_t()
        yaml_document_initialize(&document, nil, nil, nil, 1, 1)
        _ = add(value, to: &document)
        yaml_emitter_open(&emitter)
        // It takes the document over, also where it fails.
        withExtendedLifetime(written) {
            yaml_emitter_dump(&emitter, &document)
            yaml_emitter_close(&emitter)
        }
        var text = String(decoding: written.bytes, as: UTF8.self)
        while text.hasSuffix("\n") || text.hasSuffix("\n...") { text.removeLast(text.hasSuffix("\n") ? 1 : 4) }
        return text
    }

    private static func add(_ value: JSONValue, to document: inout yaml_document_t) -> CInt {
        switch value {
        case .object(let object):
            let style = object.members.isEmpty ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE
            let mapping = yaml_document_add_mapping(&document, nil, style)
            for (name, member) in object {
                let key = scalar(name, isText: true, &document)
                yaml_document_append_mapping_pair(&document, mapping, key, add(member, to: &document))
            }
            return mapping
        case .array(let elements):
            let style = elements.isEmpty ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE
            let sequence = yaml_document_add_sequence(&document, nil, style)
            for element in elements {
                yaml_document_append_sequence_item(&document, sequence, add(element, to: &document))
            }
            return sequence
        case .string(let text): return scalar(text, isText: true, &document)
        case .null, .bool, .integer, .number: return scalar(value.text, isText: false, &document)
        }
    }

    private static func scalar(_ text: String, isText: Bool, _ document: inout yaml_document_t) -> CInt {
        let style = isText && needsQuotes(text) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE
        var bytes = Array(text.utf8)
        // No tag: libyaml quotes by itself what is no plain scalar.
        return yaml_document_add_scalar(&document, nil, &bytes, CInt(bytes.count), style)
    }

    /// What a reader would take for something else than text.
    private static func needsQuotes(_ text: String) -> Bool {
        let words: Set = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        guard let first = text.utf8.first, !words.contains(text.lowercased()) else { return true }
        return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) || "+-.".utf8.contains(first)
    }

    // MARK: Reading

    /// The first document of a text; every scalar is a string.
    static func parse(_ text: String) throws(Problem) -> JSONValue {
        var parser = yaml_parser_t()
        precondition(yaml_parser_initialize(&parser) == 1, "out of memory")
        defer { yaml_parser_delete(&parser) }
        let bytes = Array(text.utf8)
        var document = yaml_document_t()
        let isLoaded = bytes.withUnsafeBufferPointer { buffer in
            yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)
            return yaml_parser_load(&parser, &document) == 1
        }
        guard isLoaded else {
            let problem = parser.problem.map { String(cString: $0) } ?? "not YAML"
            throw Problem(description: "line \(parser.problem_mark.line + 1): \(problem)")
        }
        defer { yaml_document_delete(&document) }
        guard let root = yaml_document_get_root_node(&document) else { return .null }
        return try value(of: root, in: &document, depth: 0)
    }

    private static func value(
        of node: UnsafeMutablePointer<yaml_node_t>, in document: inout yaml_document_t, depth: Int
    ) throws(Problem) -> JSONValue {
        // An alias may stand within itself.
        guard depth < 32 else { throw Problem(description: "nested deeper than 32") }
        switch node.pointee.type {
        case YAML_SCALAR_NODE:
            let scalar = node.pointee.data.scalar
            return .string(
                String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self))
        case YAML_SEQUENCE_NODE:
            let items = node.pointee.data.sequence.items
            var elements: [JSONValue] = []
            for index in 0..<(items.top - items.start) {
                elements.append(try value(at: items.start[index], in: &document, depth: depth + 1))
            }
            return .array(elements)
        case YAML_MAPPING_NODE:
            let pairs = node.pointee.data.mapping.pairs
            var object = JSONObject()
            for index in 0..<(pairs.top - pairs.start) {
                guard let name = try value(at: pairs.start[index].key, in: &document, depth: depth + 1).string else {
                    throw Problem(description: "a key must be text")
                }
                object[name] = try value(at: pairs.start[index].value, in: &document, depth: depth + 1)
            }
            return .object(object)
        default: return .null
        }
    }

    private static func value(at index: CInt, in document: inout yaml_document_t, depth: Int) throws(Problem)
        -> JSONValue
    {
        guard let node = yaml_document_get_node(&document, index) else { return .null }
        return try value(of: node, in: &document, depth: depth)
    }
}

/// What the emitter has handed over.
private final class Written {
    var bytes: [UInt8] = []
}

private func append(_ context: UnsafeMutableRawPointer?, _ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int) -> CInt {
    guard let context else { return 0 }
    Unmanaged<Written>.fromOpaque(context).takeUnretainedValue().bytes += UnsafeBufferPointer(
        start: bytes, count: count)
    return 1
}
