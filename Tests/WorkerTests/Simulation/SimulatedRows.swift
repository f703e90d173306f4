import JSON
import Model
import RuntimeCore
import Store

/// Rows as PostgreSQL keeps them. All values: a statement's snapshot is a copy.
struct SimulatedRows {
    struct Workspace: Equatable {
        var state = WorkspaceState.provisioning
        var fence: Int64 = 0
        /// The live tree.
        var current = ""
        var currentSnapshot: String?
    }

    /// Never changed once it is in a table: an update puts a copy in its place.
    final class Task {
        var record: TaskRecord
        let workspace: Int
        var owner: String?
        var leaseEnd: Int64?
        /// How many commits there had been with that of its acceptance.
        var committed = 0

        init(record: TaskRecord, workspace: Int) {
            self.record = record
            self.workspace = workspace
        }

        func copy() -> Task {
            let copy = Task(record: record, workspace: workspace)
            (copy.owner, copy.leaseEnd, copy.committed) = (owner, leaseEnd, committed)
            return copy
        }

        var isUnfinished: Bool { !record.status.isEnded }
    }

    struct Snapshot: Equatable {
        let workspace: Int
        var deleted = false
        var purged = false
    }

    struct AuditRow {
        let task: Int?
        let workspace: Int
        let action: AuditAction
        let status: TaskStatus?
    }

    var commits = 0
    var workspaces: [Workspace] = []
    var tasks: [Task] = []
    /// Indices of the tasks of each workspace.
    var tasksOf: [[Int]] = []
    var snapshots: [String: Snapshot] = [:]
    var audit: [AuditRow] = []
    /// Rows that tell of a task's end, by task.
    var ends: [Int] = []
}

/// What PostgreSQL says instead of doing it.
enum SimulatedFailure: Error, Equatable {
    /// A lock is held by another transaction: the statement waits.
    case blocked
    case uniqueViolation
    /// Whether it was committed is unknown.
    case connectionLost
    case deadlock
}

enum LockKey: Hashable {
    case workspace(Int)
    case task(Int)
    case snapshot(String)
    case advisory(Int)
    /// An idempotency key that is being inserted.
    case key(String)
    /// The entry of a workspace in the index of running tasks.
    case running(Int)
}

enum LockMode: Int {
    case keyShare, share, noKeyUpdate, update

    /// PostgreSQL, table 13.3.
    func conflicts(with other: LockMode) -> Bool {
        switch (self, other) {
        case (.update, _), (_, .update): true
        case (.noKeyUpdate, .keyShare), (.keyShare, _), (.share, .share), (.share, .keyShare): false
        case (.noKeyUpdate, _), (.share, .noKeyUpdate): true
        }
    }
}
