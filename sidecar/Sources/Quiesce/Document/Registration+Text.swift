import RuntimeCore

extension Registration {
    /// 1 to 48 of `A-Z a-z 0-9 . _ -`, not beginning with a dot: safe as a file name, short enough for five in a document.
    package static func isValid(id: String) -> Bool {
        let bytes = id.utf8
        guard (1...48).contains(bytes.count), bytes.first != UInt8(ascii: ".") else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    var text: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", 1)
            writer.member("id", id)
            writer.member("mode", mode.rawValue)
            writer.member("method", method.rawValue)
            writer.member("host", host)
            writer.member("pid", pid)
            writer.member("started_at", startedAt.description)
        }
        return writer.text + "\n"
    }

    init(parsing bytes: [UInt8]) throws(Malformed) {
        var members = try JSONMembers(try JSONReader.parse(bytes))
        try members.version(1)
        self.init(
            id: try members.string("id", limit: 48), mode: try members.choice("mode"),
            method: try members.choice("method"), host: try members.string("host", limit: 255),
            pid: try members.integer("pid", in: 0...Int32.max), startedAt: try members.timestamp("started_at"))
        try members.finish()
        guard Self.isValid(id: id) else { throw Malformed("id") }
    }
}
