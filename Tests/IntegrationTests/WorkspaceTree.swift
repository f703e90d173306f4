import FakeAgent
import Foundation
import JSON
import TestSupport

/// A workspace's folder, as a test that may look everywhere sees it.
struct WorkspaceTree {
    let path: String

    init(_ stack: TestStack, _ wsid: String) { path = "\(stack.mount)/\(wsid)" }

    /// Where `current` points, relative to the workspace.
    var current: String {
        get throws { try FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/current") }
    }

    /// What a killed attempt may leave for a moment, and nobody may leave for good.
    var leftovers: [String] {
        get throws {
            try ["", "/live", "/snapshots"].flatMap { folder in
                try FileManager.default.contentsOfDirectory(atPath: path + folder)
                    .filter { $0.hasPrefix(".staging-") || $0.hasPrefix(".current-") || $0.hasPrefix(".trash-") }
                    .map { "\(folder)/\($0)" }
            }
        }
    }

    /// Ids of the published snapshots.
    var snapshots: Set<String> {
        get throws {
            Set(
                try FileManager.default.contentsOfDirectory(atPath: "\(path)/snapshots").filter {
                    !$0.hasPrefix(".") && !$0.hasSuffix(".json")
                })
        }
    }

    /// Steps that the agents have completed in the tree that is current now.
    var steps: UInt64 {
        get throws { try steps(in: current).values.reduce(0, +) }
    }

    /// Completed steps of each ledger in a tree.
    func steps(in tree: String) throws -> [String: UInt64] {
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(tree)").filter {
            $0.hasPrefix("ledger-")
        }
        return names.reduce(into: [:]) { steps, name in
            let text = (try? String(contentsOfFile: "\(path)/\(tree)/\(name)/done", encoding: .utf8)) ?? "0"
            steps[name] = UInt64(text.filter { $0.isNumber }) ?? 0
        }
    }

    /// - Parameter tree: the one to look at; nil for whichever is current.
    func awaitProgress(_ what: String = "the agent writes", in tree: String? = nil) async throws {
        func sum() throws -> UInt64 { try steps(in: tree ?? current).values.reduce(0, +) }
        let start = try sum()
        try await eventually(what) { try sum() > start + 50 }
    }

    /// What the executor wrote beside a snapshot or a live tree.
    func record(of folder: String) throws -> JSONValue {
        try JSONValue(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(folder).json"))))
    }

    /// Holds a snapshot against the agents' invariant.
    func check(snapshot: String) throws -> LedgerReport { try LedgerCheck.run(root: "\(path)/snapshots/\(snapshot)") }
}

extension JSONValue {
    var snapshotID: String {
        get throws {
            guard let id = self["result"]?["snapshot_id"]?.string else {
                throw ProgramError(message: "no snapshot in \(text)")
            }
            return id
        }
    }

    var acknowledgements: [JSONValue] { self["result"]?["receipt"]?["acknowledgements"]?.array ?? [] }
}
