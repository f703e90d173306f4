/// Names of what is not, or no longer, part of a workspace: each says what it is and, where that matters, whose.
///
/// A source of a publication carries the fence of its attempt, so that whoever takes over can find and remove it.
enum StagedName: Equatable {
    /// `.staging-<id>-<fence>`: a tree under construction.
    case tree(id: String, fence: UInt64)
    /// `.staging-<id>-<fence>.json`: its record.
    case record(id: String, fence: UInt64)
    /// `.current-<fence>`: the link that is to replace `current`.
    case link(fence: UInt64)
    /// `.trash-…`: dead; to be removed whenever there is time.
    case trash

    static let trashPrefix = ".trash-"

    init?(_ name: String) {
        if name.hasPrefix(Self.trashPrefix) {
            self = .trash
        } else if name.hasPrefix(".current-"), let fence = UInt64(name.dropFirst(".current-".count)) {
            self = .link(fence: fence)
        } else if name.hasPrefix(".staging-") {
            let isRecord = name.hasSuffix(".json")
            let body = name.dropFirst(".staging-".count).dropLast(isRecord ? ".json".count : 0)
            guard let dash = body.lastIndex(of: "-"), let fence = UInt64(body[body.index(after: dash)...]) else {
                return nil
            }
            let id = String(body[..<dash])
            self = isRecord ? .record(id: id, fence: fence) : .tree(id: id, fence: fence)
        } else {
            return nil
        }
    }

    var text: String {
        switch self {
        case .tree(let id, let fence): ".staging-\(id)-\(fence)"
        case .record(let id, let fence): ".staging-\(id)-\(fence).json"
        case .link(let fence): ".current-\(fence)"
        case .trash: Self.trashPrefix
        }
    }

    /// The fence of the attempt that made it; nil for trash, which is nobody's any more.
    var fence: UInt64? {
        switch self {
        case .tree(_, let fence), .record(_, let fence), .link(let fence): fence
        case .trash: nil
        }
    }
}

/// What ids and names may look like (design 2). The executor trusts nobody: it checks them again.
enum Names {
    /// `^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`
    static func isWorkspaceID(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (3...63).contains(bytes.count), bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else {
            return false
        }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
            default: false
            }
        }
    }

    /// The record beside a tree: `<id>.json`.
    static func record(_ id: String) -> String { "\(id).json" }
}
