/// A process that holds something of a workspace, or may do so.
package struct Holder: Equatable, Sendable, CustomStringConvertible {
    package enum Kind: Equatable, Sendable {
        /// A path as the process sees it.
        case holds(String)
        /// This sidecar may not look into it, and the workspace's file system is mounted where it lives; or nothing tells where
        /// on that file system it writes.
        case mayHold
        /// It belongs to the agent, and is not where the agent is frozen.
        case hasLeft
    }

    package let process: ProcessID
    package let kind: Kind

    package init(process: ProcessID, kind: Kind) {
        self.process = process
        self.kind = kind
    }

    /// It was seen, not suspected.
    package var isCertain: Bool { kind != .mayHold }

    package var description: String {
        switch kind {
        case .holds(let path): "process \(process) holds \(path)"
        case .mayHold:
            "process \(process) could hold the workspace: it may not be looked into, or has a file open by a mount that is there no more"
        case .hasLeft: "process \(process) of the agent is not frozen with it"
        }
    }
}
