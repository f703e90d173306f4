private import Glibc
package import RuntimeCore

/// What wvs-executor is told (seeds 12, design 10).
package struct ExecutorSettings: Sendable {
    /// The weakest consistency of a freeze that is accepted.
    package enum Consistency: String, CaseIterable, Sendable {
        case quiesced
        case bestEffort = "best_effort"
    }

    /// Names this executor in control files: it releases what this name had frozen.
    package var executorID: String
    package var mountPath: String
    /// How the volume that belongs there is known.
    package var volume: VolumeSetting
    package var grpcAddress: SocketAddress
    package var metricsAddress: SocketAddress
    package var quiesceTimeout: Duration
    /// Bounds a call that came without a deadline.
    package var taskTimeout: Duration
    package var shutdownTimeout: Duration
    package var freezeLease: Duration
    package var engine: EngineChoice
    /// 0: as many as cores.
    package var cloneThreads: Int
    /// 1: nothing is cloned for a snapshot before the agents stand still.
    package var clonePhases: Int
    /// How many previous live trees are kept.
    package var liveRetention: Int
    package var requiredConsistency: Consistency
    package var allowUnattended: Bool
    /// Owns the workspace folders, `snapshots` and `.wvs`.
    package var control: Ownership
    /// Owns live trees of workspaces created without an owner.
    package var defaultOwner: Ownership
    package var logLevel: Logger.Level

    package init(_ reader: inout SettingsReader) {
        let own = Ownership.own
        let isRoot = own.uid == 0
        let ids = 0...Int(UInt32.max - 1)
        func id(_ variable: String, _ fallback: UInt32, _ origin: String, _ help: String) -> UInt32 {
            UInt32(reader.integer(variable, default: Int(fallback), origin: origin, in: ids, help))
        }
        executorID = reader.value(
            "EXECUTOR_ID", default: hostName(), origin: "the machine's name", expected: "1 to 64 bytes",
            help: "names this executor in control files", placeholder: ""
        ) { (1...64).contains($0.utf8.count) ? $0 : nil }
        mountPath = reader.string(
            "EXECUTOR_MOUNT_PATH", default: "/ws", expected: "a folder, such as /ws", "folder of the workspaces")
        volume = reader.value(
            "EXECUTOR_VOLUME", default: "auto",
            expected: "auto, any, mount, or a name as in the volume's .wvs-volume",
            help: "what must be there: a mount point or what was used before (auto), any folder, a mount point, or the "
                + "volume of that name", placeholder: .auto, parse: VolumeSetting.init)
        grpcAddress = reader.address("EXECUTOR_GRPC_ADDR", default: "0.0.0.0:7070", "where workers call")
        metricsAddress = reader.address("EXECUTOR_METRICS_ADDR", default: "0.0.0.0:9092", "health and metrics")
        quiesceTimeout = reader.duration("EXECUTOR_QUIESCE_TIMEOUT", default: "30s", "longest wait for FROZEN")
        taskTimeout = reader.duration("EXECUTOR_TASK_TIMEOUT", default: "300s", "bounds a call without a deadline")
        shutdownTimeout = reader.duration("EXECUTOR_SHUTDOWN_TIMEOUT", default: "300s", "longest graceful shutdown")
        freezeLease = reader.duration(
            "EXECUTOR_FREEZE_LEASE", default: "10s", "an agent thaws by itself this long after the last renewal")
        engine = reader.choice("EXECUTOR_ENGINE", default: .auto, "how trees are cloned")
        cloneThreads = reader.integer(
            "EXECUTOR_CLONE_THREADS", default: 0, in: 0...256, "clone threads; 0: one per core")
        clonePhases = reader.integer(
            "EXECUTOR_CLONE_PHASES", default: 2, in: 1...2,
            "2: clone most of a snapshot before the agent is frozen, where that is possible; 1: never before")
        liveRetention = reader.integer("EXECUTOR_LIVE_RETENTION", default: 1, in: 0...1000, "previous live trees kept")
        requiredConsistency = reader.choice(
            "EXECUTOR_REQUIRE_CONSISTENCY", default: .bestEffort, "weakest freeze accepted")
        allowUnattended = reader.flag(
            "EXECUTOR_ALLOW_UNATTENDED", "accept that nobody uses a workspace of a network file system")
        let byRoot = "1000 where the executor is root, else its own"
        control = Ownership(
            uid: id("EXECUTOR_CONTROL_UID", own.uid, "the executor's own", "owner of snapshots and control files"),
            gid: id("EXECUTOR_CONTROL_GID", own.gid, "the executor's own", "group of snapshots and control files"))
        defaultOwner = Ownership(
            uid: id("EXECUTOR_DEFAULT_UID", isRoot ? 1000 : own.uid, byRoot, "owner of live trees by default"),
            gid: id("EXECUTOR_DEFAULT_GID", isRoot ? 1000 : own.gid, byRoot, "group of live trees by default"))
        logLevel = reader.logLevel()
        reader.require(
            quiesceTimeout < taskTimeout,
            "EXECUTOR_QUIESCE_TIMEOUT must be below EXECUTOR_TASK_TIMEOUT, so that time is left to clean up")
        // The protocol's bound (sidecar/PROTOCOL.md); below, a renewal may come too late on a busy machine.
        reader.require(
            freezeLease >= .milliseconds(500) && freezeLease <= .seconds(60),
            "EXECUTOR_FREEZE_LEASE must be 500ms to 60s")
    }
}

/// What this machine calls itself.
private func hostName() -> String {
    var name = utsname()
    guard uname(&name) == 0 else { return "executor" }
    return withUnsafeBytes(of: name.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
