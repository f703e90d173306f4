/// Paths as agents see them: `WVS_WORKSPACE_ROOT`, the workspace, and what the executor answers relative to it (design 3).
package struct WorkspacePaths: Sendable {
    private let root: String

    /// - Parameter root: absolute; `/ws` by default.
    package init(root: String) { self.root = root.hasSuffix("/") ? String(root.dropLast()) : root }

    func absolute(_ relative: String, in wsid: String) -> String { "\(root)/\(wsid)/\(relative)" }
}
