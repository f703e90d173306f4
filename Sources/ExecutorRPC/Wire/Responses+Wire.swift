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
        if raw.running != 0 {
            self = .running(
                wsid: try required(raw.wsid, "wsid"), fence: raw.fence, progress: try required(raw.progress, "progress")
            )
            return
        }
        let outcome: ExecuteTaskOutcome
        switch raw.outcome_case {
        case EXECUTOR__V1__GET_TASK_RESPONSE__OUTCOME_RESULT: outcome = .result(try required(raw.result, "result"))
        case EXECUTOR__V1__GET_TASK_RESPONSE__OUTCOME_FAILURE: outcome = .failure(try required(raw.failure, "failure"))
        default:
            self = .idle
            return
        }
        self = .ended(wsid: try required(raw.wsid, "wsid"), fence: raw.fence, outcome: outcome)
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__GetTaskResponse> {
        arena.message(executor__v1__get_task_response__init) { raw in
            switch self {
            case .idle: break
            case .running(let wsid, let fence, let progress):
                raw.running = 1
                raw.wsid = arena.string(wsid)
                raw.fence = fence
                raw.progress = progress.raw(in: arena)
            case .ended(let wsid, let fence, let outcome):
                raw.wsid = arena.string(wsid)
                raw.fence = fence
                switch outcome {
                case .result(let result):
                    raw.outcome_case = EXECUTOR__V1__GET_TASK_RESPONSE__OUTCOME_RESULT
                    raw.result = result.raw(in: arena)
                case .failure(let failure):
                    raw.outcome_case = EXECUTOR__V1__GET_TASK_RESPONSE__OUTCOME_FAILURE
                    raw.failure = failure.raw(in: arena)
                }
            }
        }
    }
}

extension TaskEvent: WireRoot {
    static let name = "WatchTaskResponse"
    static var codec: WireCodec<Executor__V1__WatchTaskResponse> {
        WireCodec(
            unpack: executor__v1__watch_task_response__unpack, free: executor__v1__watch_task_response__free_unpacked,
            packedSize: executor__v1__watch_task_response__get_packed_size,
            pack: executor__v1__watch_task_response__pack)
    }

    init(_ raw: Executor__V1__WatchTaskResponse) throws(WireError) {
        switch raw.event_case {
        case EXECUTOR__V1__WATCH_TASK_RESPONSE__EVENT_PROGRESS: self = .progress(try required(raw.progress, "progress"))
        case EXECUTOR__V1__WATCH_TASK_RESPONSE__EVENT_RESULT:
            self = .ended(.result(try required(raw.result, "result")))
        case EXECUTOR__V1__WATCH_TASK_RESPONSE__EVENT_FAILURE:
            self = .ended(.failure(try required(raw.failure, "failure")))
        default: throw WireError(field: "event", reason: "missing, or of a kind unknown here")
        }
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__WatchTaskResponse> {
        arena.message(executor__v1__watch_task_response__init) { raw in
            switch self {
            case .progress(let progress):
                raw.event_case = EXECUTOR__V1__WATCH_TASK_RESPONSE__EVENT_PROGRESS
                raw.progress = progress.raw(in: arena)
            case .ended(.result(let result)):
                raw.event_case = EXECUTOR__V1__WATCH_TASK_RESPONSE__EVENT_RESULT
                raw.result = result.raw(in: arena)
            case .ended(.failure(let failure)):
                raw.event_case = EXECUTOR__V1__WATCH_TASK_RESPONSE__EVENT_FAILURE
                raw.failure = failure.raw(in: arena)
            }
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
