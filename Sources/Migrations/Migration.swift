private import Glibc
private import RuntimeCore

/// One numbered change of the schema: `000002_task_engine.up.sql` and the `.down.sql` that takes it back.
package struct Migration: Sendable, Equatable {
    package let version: Int64
    package let name: String
    package let up: String
    /// nil where there is no way back.
    package let down: String?

    package init(version: Int64, name: String, up: String, down: String?) {
        self.version = version
        self.name = name
        self.up = up
        self.down = down
    }

    /// Reads a folder in golang-migrate's file format, in ascending order. Files of other names are no migrations.
    package static func load(from folder: String) throws -> [Migration] {
        var parts: [Int64: (name: String, up: String?, down: String?)] = [:]
        for file in try FolderNames.read(folder).sorted() {
            guard let (version, name, isUp) = parse(file) else { continue }
            var part = parts[version] ?? (name, nil, nil)
            guard part.name == name, (isUp ? part.up : part.down) == nil else {
                throw MigrationError.files("version \(version) stands in more than one migration")
            }
            let sql = try text(of: "\(folder)/\(file)")
            if isUp { part.up = sql } else { part.down = sql }
            parts[version] = part
        }
        return try parts.sorted { $0.key < $1.key }.map { version, part in
            guard let up = part.up else { throw MigrationError.files("version \(version) has no .up.sql file") }
            return Migration(version: version, name: part.name, up: up, down: part.down)
        }
    }

    private static func parse(_ file: String) -> (version: Int64, name: String, isUp: Bool)? {
        let isUp = file.hasSuffix(".up.sql")
        guard isUp || file.hasSuffix(".down.sql") else { return nil }
        let digits = file.prefix { $0.isASCII && $0.isNumber }
        let rest = file.dropFirst(digits.count).dropLast(isUp ? 7 : 9)
        guard let version = Int64(digits), rest.hasPrefix("_") else { return nil }
        return (version, String(rest.dropFirst()), isUp)
    }
}

private func text(of path: String) throws(SystemError) -> String {
    let file = FileDescriptor(owning: try systemCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) })
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = try systemCall("read", path) { read(file.raw, &chunk, chunk.count) }
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}
