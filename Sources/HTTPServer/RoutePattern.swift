/// A path with named parts: `/v1/workspaces/{wsid}/current:set`, `/v1/tasks/{task_id}:cancel`.
struct RoutePattern: Hashable {
    enum Segment: Hashable {
        case literal(String)
        /// `{name}`, or `{name}:verb` with `:verb` as its suffix.
        case parameter(name: String, suffix: String)
    }

    let text: String
    let segments: [Segment]

    init(_ text: String) {
        precondition(text.hasPrefix("/"), "a route begins with a slash")
        self.text = text
        segments = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { segment in
            guard segment.hasPrefix("{"), let end = segment.firstIndex(of: "}") else {
                return .literal(String(segment))
            }
            let name = segment[segment.index(after: segment.startIndex)..<end]
            return .parameter(name: String(name), suffix: String(segment[segment.index(after: end)...]))
        }
    }

    /// The values of the parameters, or nil where the path is another one.
    func match(_ path: [String]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (segment, value) in zip(segments, path) {
            switch segment {
            case .literal(let literal): if literal != value { return nil }
            case .parameter(let name, let suffix):
                guard value.utf8.count > suffix.utf8.count, value.hasSuffix(suffix) else { return nil }
                parameters[name] = String(value.dropLast(suffix.count))
            }
        }
        return parameters
    }

    /// Of two patterns that match one path the more exact one counts: literals before suffixes before bare parameters.
    func isMoreExact(than other: RoutePattern) -> Bool {
        segments.map(\.rank).lexicographicallyPrecedes(other.segments.map(\.rank))
    }
}

extension RoutePattern.Segment {
    fileprivate var rank: Int {
        switch self {
        case .literal: 0
        case .parameter(_, let suffix): suffix.isEmpty ? 2 : 1
        }
    }
}
