import ExecutorProto

extension Operation: WireMessage {
    init(_ raw: Executor__V1__Operation) throws(WireError) {
        switch raw.kind_case {
        case EXECUTOR__V1__OPERATION__KIND_INIT_WORKSPACE:
            let message = raw.init_workspace.pointee
            self = .initWorkspace(
                liveID: try required(message.live_id, "init_workspace.live_id"),
                owner: message.owner.map { Owner(uid: $0.pointee.uid, gid: $0.pointee.gid) })
        case EXECUTOR__V1__OPERATION__KIND_SNAPSHOT_CREATE:
            let message = raw.snapshot_create.pointee
            self = .snapshotCreate(
                snapshotID: try required(message.snapshot_id, "snapshot_create.snapshot_id"),
                message: try text(message.message, "snapshot_create.message"))
        case EXECUTOR__V1__OPERATION__KIND_SNAPSHOT_DROP:
            let message = raw.snapshot_drop.pointee
            self = .snapshotDrop(snapshotID: try required(message.snapshot_id, "snapshot_drop.snapshot_id"))
        case EXECUTOR__V1__OPERATION__KIND_SET_CURRENT:
            let message = raw.set_current.pointee
            self = .setCurrent(
                snapshotID: try required(message.snapshot_id, "set_current.snapshot_id"),
                liveID: try required(message.live_id, "set_current.live_id"), discard: message.discard != 0)
        default:
            throw WireError(field: "operation", reason: "missing, or of a kind unknown here")
        }
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__Operation> {
        arena.message(executor__v1__operation__init) { raw in
            switch self {
            case .initWorkspace(let liveID, let owner):
                raw.kind_case = EXECUTOR__V1__OPERATION__KIND_INIT_WORKSPACE
                raw.init_workspace = arena.message(executor__v1__init_workspace__init) {
                    $0.live_id = arena.string(liveID)
                    $0.owner = owner.map { owner in
                        arena.message(executor__v1__owner__init) {
                            $0.uid = owner.uid
                            $0.gid = owner.gid
                        }
                    }
                }
            case .snapshotCreate(let snapshotID, let message):
                raw.kind_case = EXECUTOR__V1__OPERATION__KIND_SNAPSHOT_CREATE
                raw.snapshot_create = arena.message(executor__v1__snapshot_create__init) {
                    $0.snapshot_id = arena.string(snapshotID)
                    $0.message = arena.string(message)
                }
            case .snapshotDrop(let snapshotID):
                raw.kind_case = EXECUTOR__V1__OPERATION__KIND_SNAPSHOT_DROP
                raw.snapshot_drop = arena.message(executor__v1__snapshot_drop__init) {
                    $0.snapshot_id = arena.string(snapshotID)
                }
            case .setCurrent(let snapshotID, let liveID, let discard):
                raw.kind_case = EXECUTOR__V1__OPERATION__KIND_SET_CURRENT
                raw.set_current = arena.message(executor__v1__set_current__init) {
                    $0.snapshot_id = arena.string(snapshotID)
                    $0.live_id = arena.string(liveID)
                    $0.discard = discard ? 1 : 0
                }
            }
        }
    }
}
