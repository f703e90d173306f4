import ExecutorRPC
import JSON
import Model

extension Verdict {
    /// What `tasks.result` holds (design 3); nil where nothing was done.
    func result(for task: TaskRecord, _ paths: WorkspacePaths) -> JSONValue? {
        switch self {
        case .published(.initWorkspace(let path)): ["current_path": .string(paths.absolute(path, in: task.wsid))]
        case .published(.snapshotCreate(let snapshot)):
            [
                "snapshot_id": .string(snapshot.snapshotID),
                "fs_path": .string(paths.absolute(snapshot.fsPath, in: task.wsid)),
                "engine": .string(snapshot.engine), "entries": .integer(Int64(clamping: snapshot.entries)),
                "receipt": snapshot.receipt.json,
            ]
        case .published(.setCurrent(let current)):
            [
                "current_snapshot_id": .string(current.currentSnapshotID),
                "current_path": .string(paths.absolute(current.currentPath, in: task.wsid)),
                "noop": .bool(current.noop), "receipt": current.receipt?.json ?? .null,
            ]
        case .published(.snapshotDrop), .dropped:
            ["snapshot_id": JSONValue(task.params["snapshot_id"]?.string)]
        case .failed: nil
        }
    }
}

extension Receipt {
    var json: JSONValue {
        [
            "consistency": .string(consistency), "window_ms": .number(windowMilliseconds),
            "acknowledgements": .array(acknowledgements.map(\.json)),
        ]
    }
}

extension Acknowledgement {
    /// In the words of the quiesce protocol (design 6).
    fileprivate var json: JSONValue {
        [
            "sidecar_id": .string(sidecarID), "nonce": .string(nonce), "method": .string(method),
            "consistency": .string(consistency), "processes": .integer(Int64(processes)),
            "threads": .integer(Int64(threads)), "flushed_files": .integer(Int64(flushedFiles)),
            "freeze_ms": .number(freezeMilliseconds), "flush_ms": .number(flushMilliseconds),
            "frozen_at": .string(frozenAt), "held": .bool(held),
            "old_tree": .array(oldTree.map { .integer(Int64($0)) }),
        ]
    }
}

extension Progress {
    var json: JSONObject {
        [
            "phase": .string(phase.rawValue), "entries": .integer(Int64(clamping: entries)),
            "entries_total": entriesTotal.map { .integer(Int64(clamping: $0)) } ?? .null, "frozen": .bool(frozen),
        ]
    }
}

extension Operation {
    /// What the executor is to do for a task.
    init(_ parameters: TaskParameters) {
        switch parameters {
        case .initWorkspace(let liveID, let uid, let gid):
            let owner = uid.map { Owner(uid: UInt32(clamping: $0), gid: UInt32(clamping: gid ?? $0)) }
            self = .initWorkspace(liveID: liveID, owner: owner)
        case .snapshotCreate(let snapshotID, let message):
            self = .snapshotCreate(snapshotID: snapshotID, message: message ?? "")
        case .snapshotDrop(let snapshotID): self = .snapshotDrop(snapshotID: snapshotID)
        case .setCurrent(let snapshotID, let liveID, let discard):
            self = .setCurrent(snapshotID: snapshotID, liveID: liveID, discard: discard)
        }
    }
}
