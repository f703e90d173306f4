/// Where things are, as agents see them: `WVS_WORKSPACE_ROOT`, the workspace, and what the executor answers relative to it
/// (design 3).
package struct WorkspacePaths: Sendable {
    /// Without a slash at its end.
    private let mount: String

    /// - Parameter root: `WVS_WORKSPACE_ROOT`, absolute; `/ws` by default.
    package init(root: String) { mount = String(root.reversed().drop { $0 == "/" }.reversed()) }

    package func root(of wsid: String) -> String { "\(mount)/\(wsid)" }

    package func absolute(_ relative: String, in wsid: String) -> String { "\(mount)/\(wsid)/\(relative)" }

    package func live(_ liveID: String, of wsid: String) -> String { absolute("live/\(liveID)", in: wsid) }

    /// The id in a path that `live` made; nil for any other path.
    package func liveID(_ path: String, of wsid: String) -> String? {
        let folder = live("", of: wsid)
        let id = path.dropFirst(folder.count)
        return path.hasPrefix(folder) && !id.isEmpty && !id.contains("/") ? String(id) : nil
    }
}
