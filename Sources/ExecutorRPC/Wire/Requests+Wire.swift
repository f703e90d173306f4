import ExecutorProto

extension ExecuteTaskRequest: WireRoot {
    static let name = "ExecuteTaskRequest"
    static var codec: WireCodec<Executor__V1__ExecuteTaskRequest> {
        WireCodec(
            unpack: executor__v1__execute_task_request__unpack,
            free: executor__v1__execute_task_request__free_unpacked,
            packedSize: executor__v1__execute_task_request__get_packed_size,
            pack: executor__v1__execute_task_request__pack)
    }

    init(_ raw: Executor__V1__ExecuteTaskRequest) throws(WireError) {
        self.init(
            taskID: try required(raw.task_id, "task_id"), wsid: try required(raw.wsid, "wsid"),
            fence: try positive(raw.fence, "fence"), requestID: try text(raw.request_id, "request_id"),
            operation: try required(raw.operation, "operation"))
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__ExecuteTaskRequest> {
        arena.message(executor__v1__execute_task_request__init) {
            $0.task_id = arena.string(taskID)
            $0.wsid = arena.string(wsid)
            $0.fence = fence
            $0.request_id = arena.string(requestID)
            $0.operation = operation.raw(in: arena)
        }
    }
}

extension SettleRequest: WireRoot {
    static let name = "SettleRequest"
    static var codec: WireCodec<Executor__V1__SettleRequest> {
        WireCodec(
            unpack: executor__v1__settle_request__unpack, free: executor__v1__settle_request__free_unpacked,
            packedSize: executor__v1__settle_request__get_packed_size, pack: executor__v1__settle_request__pack)
    }

    init(_ raw: Executor__V1__SettleRequest) throws(WireError) {
        self.init(
            taskID: try required(raw.task_id, "task_id"), wsid: try required(raw.wsid, "wsid"),
            fence: try positive(raw.fence, "fence"), requestID: try text(raw.request_id, "request_id"),
            operation: try required(raw.operation, "operation"))
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__SettleRequest> {
        arena.message(executor__v1__settle_request__init) {
            $0.task_id = arena.string(taskID)
            $0.wsid = arena.string(wsid)
            $0.fence = fence
            $0.request_id = arena.string(requestID)
            $0.operation = operation.raw(in: arena)
        }
    }
}

extension GetTaskRequest: WireRoot {
    static let name = "GetTaskRequest"
    static var codec: WireCodec<Executor__V1__GetTaskRequest> {
        WireCodec(
            unpack: executor__v1__get_task_request__unpack, free: executor__v1__get_task_request__free_unpacked,
            packedSize: executor__v1__get_task_request__get_packed_size, pack: executor__v1__get_task_request__pack)
    }

    init(_ raw: Executor__V1__GetTaskRequest) throws(WireError) {
        self.init(taskID: try required(raw.task_id, "task_id"))
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__GetTaskRequest> {
        arena.message(executor__v1__get_task_request__init) { $0.task_id = arena.string(taskID) }
    }
}

extension WatchTaskRequest: WireRoot {
    static let name = "WatchTaskRequest"
    static var codec: WireCodec<Executor__V1__WatchTaskRequest> {
        WireCodec(
            unpack: executor__v1__watch_task_request__unpack, free: executor__v1__watch_task_request__free_unpacked,
            packedSize: executor__v1__watch_task_request__get_packed_size, pack: executor__v1__watch_task_request__pack)
    }

    init(_ raw: Executor__V1__WatchTaskRequest) throws(WireError) {
        self.init(taskID: try required(raw.task_id, "task_id"), fence: raw.fence == 0 ? nil : raw.fence)
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__WatchTaskRequest> {
        arena.message(executor__v1__watch_task_request__init) {
            $0.task_id = arena.string(taskID)
            $0.fence = fence ?? 0
        }
    }
}

private func positive(_ number: UInt64, _ field: String) throws(WireError) -> UInt64 {
    if number == 0 { throw WireError(field: field, reason: "missing") }
    return number
}
