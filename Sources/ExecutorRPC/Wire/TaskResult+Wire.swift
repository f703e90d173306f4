import ExecutorProto

extension TaskResult: WireMessage {
    init(_ raw: Executor__V1__TaskResult) throws(WireError) {
        switch raw.kind_case {
        case EXECUTOR__V1__TASK_RESULT__KIND_INIT_WORKSPACE:
            self = .initWorkspace(
                currentPath: try required(raw.init_workspace.pointee.current_path, "init_workspace.current_path"))
        case EXECUTOR__V1__TASK_RESULT__KIND_SNAPSHOT_CREATE:
            self = .snapshotCreate(try required(raw.snapshot_create, "snapshot_create"))
        case EXECUTOR__V1__TASK_RESULT__KIND_SNAPSHOT_DROP:
            self = .snapshotDrop(alreadyGone: raw.snapshot_drop.pointee.already_gone != 0)
        case EXECUTOR__V1__TASK_RESULT__KIND_SET_CURRENT:
            self = .setCurrent(try required(raw.set_current, "set_current"))
        default:
            throw WireError(field: "result", reason: "missing, or of a kind unknown here")
        }
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__TaskResult> {
        arena.message(executor__v1__task_result__init) { raw in
            switch self {
            case .initWorkspace(let currentPath):
                raw.kind_case = EXECUTOR__V1__TASK_RESULT__KIND_INIT_WORKSPACE
                raw.init_workspace = arena.message(executor__v1__init_workspace_result__init) {
                    $0.current_path = arena.string(currentPath)
                }
            case .snapshotCreate(let result):
                raw.kind_case = EXECUTOR__V1__TASK_RESULT__KIND_SNAPSHOT_CREATE
                raw.snapshot_create = result.raw(in: arena)
            case .snapshotDrop(let alreadyGone):
                raw.kind_case = EXECUTOR__V1__TASK_RESULT__KIND_SNAPSHOT_DROP
                raw.snapshot_drop = arena.message(executor__v1__snapshot_drop_result__init) {
                    $0.already_gone = alreadyGone ? 1 : 0
                }
            case .setCurrent(let result):
                raw.kind_case = EXECUTOR__V1__TASK_RESULT__KIND_SET_CURRENT
                raw.set_current = result.raw(in: arena)
            }
        }
    }
}

extension SnapshotCreateResult: WireMessage {
    init(_ raw: Executor__V1__SnapshotCreateResult) throws(WireError) {
        self.init(
            snapshotID: try required(raw.snapshot_id, "snapshot_create.snapshot_id"),
            fsPath: try required(raw.fs_path, "snapshot_create.fs_path"),
            engine: try required(raw.engine, "snapshot_create.engine"), entries: raw.entries,
            receipt: try required(raw.receipt, "snapshot_create.receipt"))
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__SnapshotCreateResult> {
        arena.message(executor__v1__snapshot_create_result__init) {
            $0.snapshot_id = arena.string(snapshotID)
            $0.fs_path = arena.string(fsPath)
            $0.engine = arena.string(engine)
            $0.entries = entries
            $0.receipt = receipt.raw(in: arena)
        }
    }
}

extension SetCurrentResult: WireMessage {
    init(_ raw: Executor__V1__SetCurrentResult) throws(WireError) {
        var receipt: Receipt?
        if let pointer = raw.receipt { receipt = try Receipt(pointer.pointee) }
        self.init(
            currentSnapshotID: try required(raw.current_snapshot_id, "set_current.current_snapshot_id"),
            currentPath: try required(raw.current_path, "set_current.current_path"), noop: raw.noop != 0,
            receipt: receipt)
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__SetCurrentResult> {
        arena.message(executor__v1__set_current_result__init) {
            $0.current_snapshot_id = arena.string(currentSnapshotID)
            $0.current_path = arena.string(currentPath)
            $0.noop = noop ? 1 : 0
            $0.receipt = receipt?.raw(in: arena)
        }
    }
}

extension TaskFailure: WireMessage {
    init(_ raw: Executor__V1__TaskFailure) throws(WireError) {
        self.init(
            code: Code(rawValue: try required(raw.code, "failure.code")),
            message: try text(raw.message, "failure.message"), retryable: raw.retryable != 0,
            storedFence: raw.stored_fence == 0 ? nil : raw.stored_fence)
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__TaskFailure> {
        arena.message(executor__v1__task_failure__init) {
            $0.code = arena.string(code.rawValue)
            $0.message = arena.string(message)
            $0.retryable = retryable ? 1 : 0
            $0.stored_fence = storedFence ?? 0
        }
    }
}
