import JSON
import Model
import RuntimeCore
import Store

/// What clients ask of wvs-api, as the transactions that it makes of it.
enum SimulatedRequest: Equatable {
    case snapshot(workspace: Int, key: String, id: String)
    case set(workspace: Int, key: String, snapshot: String, live: String, discard: Bool)
    case drop(workspace: Int, key: String, snapshot: String)
    case create(workspace: Int, key: String, live: String)
    case retryInit(workspace: Int, key: String, live: String)
    case cancel(task: Int)
    case disable(workspace: Int)
}

extension SimulatedStatements {
    func statements(for request: SimulatedRequest) -> [Statement] {
        switch request {
        case .snapshot(let workspace, let key, let id):
            return enqueue(
                .snapshotCreate(snapshotID: id, message: nil), in: workspace, key: key, check: { _ in true })
        case .set(let workspace, let key, let snapshot, let live, let discard):
            return enqueue(
                .setCurrent(snapshotID: snapshot, liveID: live, discard: discard), in: workspace, key: key,
                check: { transaction in
                    try transaction.lock(.snapshot(snapshot), .share)
                    return transaction.snapshot(snapshot).map { !$0.deleted } ?? false
                },
                secondCheck: { transaction in
                    !transaction.unfinished(in: workspace).contains { index in
                        let record = transaction.task(index).record
                        return record.operation == .snapshotDrop && record.params["snapshot_id"]?.string == snapshot
                    }
                })
        case .drop(let workspace, let key, let snapshot):
            let isThere = Box(false)
            return enqueue(
                .snapshotDrop(snapshotID: snapshot), in: workspace, key: key,
                check: { transaction in
                    try transaction.lock(.snapshot(snapshot))
                    isThere.value = transaction.snapshot(snapshot).map { !$0.deleted } ?? false
                    return isThere.value
                },
                secondCheck: { flaw == .dropRegardless || !isUsed(snapshot, in: workspace, $0) })
        case .create(let workspace, let key, let live):
            return [
                { transaction in
                    _ = try transaction.insert(
                        Self.task(
                            .initWorkspace(liveID: live, uid: nil, gid: nil), in: workspace, key: key,
                            at: transaction.began, maxAttempts: 3))
                }
            ]
        case .retryInit(let workspace, let key, let live):
            return retryInit(workspace, key: key, live: live)
        case .cancel(let task): return [{ try cancel(task, $0) }]
        case .disable(let workspace): return disable(workspace)
        }
    }

    static func task(
        _ parameters: TaskParameters, in workspace: Int, key: String, at now: Int64, maxAttempts: Int
    ) -> SimulatedRows.Task {
        let time = Timestamp(microseconds: now)
        return SimulatedRows.Task(
            record: TaskRecord(
                taskID: "", wsid: "ws-\(workspace)", operation: parameters.operation, status: .pending,
                idempotencyKey: key, requestHash: "", requestID: nil, createdAt: time, maxAttempts: maxAttempts,
                nextRunAt: time, timeoutSeconds: 5, params: parameters.json),
            workspace: workspace)
    }

    private func enqueue(
        _ parameters: TaskParameters, in workspace: Int, key: String,
        check: @escaping (SimulatedTransaction) throws -> Bool,
        secondCheck: @escaping (SimulatedTransaction) -> Bool = { _ in true }
    ) -> [Statement] {
        let isAllowed = Box(false)
        return [
            { transaction in
                isAllowed.value = transaction.find(workspace: workspace, parameters.operation, key: key) == nil
            },
            { transaction in
                guard isAllowed.value else { return }
                try transaction.lock(.workspace(workspace), .share)
                isAllowed.value = transaction.workspace(workspace).state == .active
            },
            { transaction in if isAllowed.value { isAllowed.value = try check(transaction) } },
            { transaction in if isAllowed.value { isAllowed.value = secondCheck(transaction) } },
            { transaction in
                guard isAllowed.value else { return }
                _ = try transaction.insert(
                    Self.task(
                        parameters, in: workspace, key: key, at: transaction.began,
                        maxAttempts: 3))
            },
        ]
    }

    private func retryInit(_ workspace: Int, key: String, live: String) -> [Statement] {
        let isAllowed = Box(false)
        return [
            { transaction in
                try transaction.lock(.workspace(workspace), .noKeyUpdate)
                isAllowed.value = transaction.workspace(workspace).state == .initFailed
            },
            { transaction in
                guard isAllowed.value else { return }
                let task = Self.task(
                    .initWorkspace(liveID: live, uid: nil, gid: nil), in: workspace, key: key,
                    at: transaction.began, maxAttempts: 3)
                guard try transaction.insert(task) else { return }
                try transaction.update(workspace: workspace) { $0.state = .provisioning }
            },
        ]
    }

    private func cancel(_ index: Int, _ transaction: SimulatedTransaction) throws {
        try transaction.lock(.task(index))
        let row = transaction.task(index)
        switch CancelDecision(row.record.status, in: transaction.workspace(row.workspace).state) {
        case .request: try transaction.update(task: index) { $0.record.cancelRequested = true }
        case .end:
            try transaction.update(task: index) {
                $0.record.status = .canceled
                $0.record.cancelRequested = true
                $0.record.endedAt = Timestamp(microseconds: transaction.began)
            }
            transaction.insertAudit(.taskCancel, workspace: row.workspace, task: index, status: .canceled)
            if row.record.operation == .initWorkspace {
                try transaction.update(workspace: row.workspace) {
                    if $0.state == .provisioning { $0.state = .initFailed }
                }
            }
        case .unchanged, .refuse: break
        }
    }

    private func disable(_ workspace: Int) -> [Statement] {
        let isIdle = Box(false)
        let look: Statement = { isIdle.value = $0.unfinished(in: workspace).isEmpty }
        let lock: Statement = { try $0.lock(.workspace(workspace)) }
        return (flaw == .disableWithoutLock ? [look, lock] : [lock, look]) + [
            { transaction in
                guard isIdle.value, transaction.workspace(workspace).state == .active else { return }
                try transaction.update(workspace: workspace) { $0.state = .disabled }
            }
        ]
    }
}
