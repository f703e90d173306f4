import ExecutorProto

extension ExecuteTaskOutcome: WireRoot {
    static let name = "ExecuteTaskResponse"
    static var codec: WireCodec<Executor__V1__ExecuteTaskResponse> {
        WireCodec(
            unpack: executor__v1__execute_task_response__unpack,
            free: executor__v1__execute_task_response__free_unpacked,
            packedSize: executor__v1__execute_task_response__get_packed_size,
            pack: executor__v1__execute_task_response__pack)
    }

    init(_ raw: Executor__V1__ExecuteTaskResponse) throws(WireError) {
        switch raw.outcome_case {
        case EXECUTOR__V1__EXECUTE_TASK_RESPONSE__OUTCOME_RESULT: self = .result(try required(raw.result, "result"))
        case EXECUTOR__V1__EXECUTE_TASK_RESPONSE__OUTCOME_FAILURE: self = .failure(try required(raw.failure, "failure"))
        default: throw WireError(field: "outcome", reason: "missing, or of a kind unknown here")
        }
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__ExecuteTaskResponse> {
        arena.message(executor__v1__execute_task_response__init) { raw in
            switch self {
            case .result(let result):
                raw.outcome_case = EXECUTOR__V1__EXECUTE_TASK_RESPONSE__OUTCOME_RESULT
                raw.result = result.raw(in: arena)
            case .failure(let failure):
                raw.outcome_case = EXECUTOR__V1__EXECUTE_TASK_RESPONSE__OUTCOME_FAILURE
                raw.failure = failure.raw(in: arena)
            }
        }
    }
}

extension SettleOutcome: WireRoot {
    static let name = "SettleResponse"
    static var codec: WireCodec<Executor__V1__SettleResponse> {
        WireCodec(
            unpack: executor__v1__settle_response__unpack, free: executor__v1__settle_response__free_unpacked,
            packedSize: executor__v1__settle_response__get_packed_size, pack: executor__v1__settle_response__pack)
    }

    init(_ raw: Executor__V1__SettleResponse) throws(WireError) {
        switch raw.outcome_case {
        case EXECUTOR__V1__SETTLE_RESPONSE__OUTCOME_PUBLISHED:
            self = .published(try required(raw.published, "published"))
        case EXECUTOR__V1__SETTLE_RESPONSE__OUTCOME_NOT_PUBLISHED: self = .notPublished
        case EXECUTOR__V1__SETTLE_RESPONSE__OUTCOME_FAILURE: self = .failure(try required(raw.failure, "failure"))
        default: throw WireError(field: "outcome", reason: "missing, or of a kind unknown here")
        }
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__SettleResponse> {
        arena.message(executor__v1__settle_response__init) { raw in
            switch self {
            case .published(let result):
                raw.outcome_case = EXECUTOR__V1__SETTLE_RESPONSE__OUTCOME_PUBLISHED
                raw.published = result.raw(in: arena)
            case .notPublished:
                raw.outcome_case = EXECUTOR__V1__SETTLE_RESPONSE__OUTCOME_NOT_PUBLISHED
                raw.not_published = arena.message(executor__v1__not_published__init) { _ in }
            case .failure(let failure):
                raw.outcome_case = EXECUTOR__V1__SETTLE_RESPONSE__OUTCOME_FAILURE
                raw.failure = failure.raw(in: arena)
            }
        }
    }
}

extension GetTaskResponse: WireRoot {
    static let name = "GetTaskResponse"
    static var codec: WireCodec<Executor__V1__GetTaskResponse> {
        WireCodec(
            unpack: executor__v1__get_task_response__unpack, free: executor__v1__get_task_response__free_unpacked,
            packedSize: executor__v1__get_task_response__get_packed_size, pack: executor__v1__get_task_response__pack)
    }

    init(_ raw: Executor__V1__GetTaskResponse) throws(WireError) {
        guard raw.running != 0 else {
            self = .idle
            return
        }
        self = .running(
            wsid: try required(raw.wsid, "wsid"), fence: raw.fence, progress: try required(raw.progress, "progress"))
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__GetTaskResponse> {
        arena.message(executor__v1__get_task_response__init) { raw in
            guard case .running(let wsid, let fence, let progress) = self else { return }
            raw.running = 1
            raw.wsid = arena.string(wsid)
            raw.fence = fence
            raw.progress = progress.raw(in: arena)
        }
    }
}

extension Progress: WireMessage {
    init(_ raw: Executor__V1__Progress) throws(WireError) {
        self.init(
            phase: Phase(rawValue: try required(raw.phase, "progress.phase")), entries: raw.entries,
            entriesTotal: raw.entries_total == 0 ? nil : raw.entries_total, frozen: raw.frozen != 0)
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__Progress> {
        arena.message(executor__v1__progress__init) {
            $0.phase = arena.string(phase.rawValue)
            $0.entries = entries
            $0.entries_total = entriesTotal ?? 0
            $0.frozen = frozen ? 1 : 0
        }
    }
}
