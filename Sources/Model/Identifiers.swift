/// A workspace's name: `^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$` (design 2). API and executor both check it.
package enum WorkspaceID {
    /// For people.
    package static let rule = "3 to 63 of a-z, 0-9 and '-', which neither begins nor ends it"

    package static let pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"

    package static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard (3...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isAlphanumeric(first) && isAlphanumeric(last)
            && bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
}
