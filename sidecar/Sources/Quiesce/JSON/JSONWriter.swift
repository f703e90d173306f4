import RuntimeCore

/// Appends JSON to a text; the caller says what, this puts the commas.
package struct JSONWriter {
    package private(set) var text = ""
    private var needsComma = false

    package init() {}

    package mutating func object(_ body: (inout JSONWriter) -> Void) { nest("{", "}", body) }

    package mutating func array(_ body: (inout JSONWriter) -> Void) { nest("[", "]", body) }

    /// Begins a member; its value follows.
    package mutating func name(_ name: String) {
        separate()
        appendJSONString(name, to: &text)
        text += ":"
        needsComma = false
    }

    package mutating func string(_ value: String) {
        separate()
        appendJSONString(value, to: &text)
    }

    /// A number, `true`, `false` or `null`.
    package mutating func literal(_ value: String) {
        separate()
        text += value
    }

    package mutating func member(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }

    /// `null` for nil.
    package mutating func member(_ name: String, optional value: String?) {
        self.name(name)
        if let value { string(value) } else { literal("null") }
    }

    package mutating func member(_ name: String, _ value: some BinaryInteger) {
        self.name(name)
        literal(String(value))
    }

    package mutating func member(_ name: String, _ value: Bool?) {
        self.name(name)
        literal(value.map { $0 ? "true" : "false" } ?? "null")
    }

    /// Microseconds as milliseconds with three digits of fraction.
    package mutating func member(_ name: String, milliseconds microseconds: Int64) {
        let fraction = String(microseconds % 1000)
        self.name(name)
        literal("\(microseconds / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)")
    }

    private mutating func separate() {
        if needsComma { text += "," }
        needsComma = true
    }

    private mutating func nest(_ opening: String, _ closing: String, _ body: (inout JSONWriter) -> Void) {
        separate()
        text += opening
        needsComma = false
        body(&self)
        text += closing
        needsComma = true
    }
}
