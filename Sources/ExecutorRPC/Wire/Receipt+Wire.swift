import ExecutorProto

extension Receipt: WireMessage {
    init(_ raw: Executor__V1__Receipt) throws(WireError) {
        var acknowledgements: [Acknowledgement] = []
        for index in 0..<raw.n_acknowledgements {
            acknowledgements.append(try required(raw.acknowledgements[index], "receipt.acknowledgements"))
        }
        self.init(
            acknowledgements: acknowledgements, consistency: try required(raw.consistency, "receipt.consistency"),
            windowMilliseconds: raw.window_ms)
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__Receipt> {
        arena.message(executor__v1__receipt__init) {
            $0.n_acknowledgements = acknowledgements.count
            $0.acknowledgements = arena.array(acknowledgements.map { $0.raw(in: arena) })
            $0.consistency = arena.string(consistency)
            $0.window_ms = windowMilliseconds
        }
    }
}

extension Acknowledgement: WireMessage {
    init(_ raw: Executor__V1__Acknowledgement) throws(WireError) {
        self.init(
            sidecarID: try text(raw.sidecar_id, "acknowledgement.sidecar_id"),
            nonce: try text(raw.nonce, "acknowledgement.nonce"), method: try text(raw.method, "acknowledgement.method"),
            consistency: try text(raw.consistency, "acknowledgement.consistency"), processes: raw.processes,
            threads: raw.threads, flushedFiles: raw.flushed_files, freezeMilliseconds: raw.freeze_ms,
            flushMilliseconds: raw.flush_ms, frozenAt: try text(raw.frozen_at, "acknowledgement.frozen_at"),
            held: raw.held != 0, oldTree: (0..<raw.n_old_tree).map { raw.old_tree[$0] })
    }

    func raw(in arena: Arena) -> UnsafeMutablePointer<Executor__V1__Acknowledgement> {
        arena.message(executor__v1__acknowledgement__init) {
            $0.sidecar_id = arena.string(sidecarID)
            $0.nonce = arena.string(nonce)
            $0.method = arena.string(method)
            $0.consistency = arena.string(consistency)
            $0.processes = processes
            $0.threads = threads
            $0.flushed_files = flushedFiles
            $0.freeze_ms = freezeMilliseconds
            $0.flush_ms = flushMilliseconds
            $0.frozen_at = arena.string(frozenAt)
            $0.held = held ? 1 : 0
            $0.n_old_tree = oldTree.count
            $0.old_tree = arena.numbers(oldTree)
        }
    }
}
