import ExecutorRPC

/// One of everything that executor.proto can say.
enum Sample {
    static let receipt = Receipt(
        acknowledgements: [
            Acknowledgement(
                sidecarID: "one", nonce: "n1", method: "cgroup2", consistency: "quiesced", processes: 3, threads: 17,
                flushedFiles: 5, freezeMilliseconds: 0.25, flushMilliseconds: 12.5,
                frozenAt: "2026-02-17T12:00:00.000000Z", held: true),
            Acknowledgement(
                sidecarID: "two", nonce: "n2", method: "sigstop", consistency: "best_effort", processes: 0, threads: 0,
                flushedFiles: 0, freezeMilliseconds: 0, flushMilliseconds: 0, frozenAt: "", held: false),
        ], consistency: "best_effort", windowMilliseconds: 15.75)

    static let operations: [ExecutorRPC.Operation] = [
        .initWorkspace(liveID: "live", owner: nil),
        .initWorkspace(liveID: "live", owner: Owner(uid: 0, gid: 4_294_967_295)),
        .snapshotCreate(snapshotID: "snapshot", message: "vor dem Umbau — 重构之前"),
        .snapshotCreate(snapshotID: "snapshot", message: ""),
        .snapshotDrop(snapshotID: "snapshot"),
        .setCurrent(snapshotID: "snapshot", liveID: "live", discard: true),
        .setCurrent(snapshotID: "snapshot", liveID: "live", discard: false),
    ]

    static let results: [TaskResult] = [
        .initWorkspace(currentPath: "live/1"),
        .snapshotCreate(
            SnapshotCreateResult(
                snapshotID: "s", fsPath: "snapshots/s", engine: "reflink", entries: .max, receipt: receipt)),
        .snapshotDrop(alreadyGone: false),
        .snapshotDrop(alreadyGone: true),
        .setCurrent(SetCurrentResult(currentSnapshotID: "s", currentPath: "live/2", noop: true, receipt: nil)),
        .setCurrent(SetCurrentResult(currentSnapshotID: "s", currentPath: "live/2", noop: false, receipt: receipt)),
    ]

    static let failures = [
        TaskFailure(code: .fenced, message: "a higher fence is at work", retryable: false, storedFence: .max),
        TaskFailure(code: .quiesceTimeout, message: "", retryable: true),
        TaskFailure(code: TaskFailure.Code(rawValue: "FROM_THE_FUTURE"), message: "?", retryable: true),
    ]
}
