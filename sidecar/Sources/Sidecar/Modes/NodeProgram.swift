private import Glibc
import RuntimeCore

/// `wvs-sidecar node`: answers for every workspace below a folder that has no agent.
final class NodeProgram {
    private let settings: NodeSettings
    /// Without links.
    private let root: String
    private let logger: Logger
    private let signals: SignalDescriptor
    private let watch: ControlWatch?
    /// Every change is told by inotify.
    private var isNoticed: Bool
    private let pacing: Pacing
    /// When every workspace was last looked at, whatever inotify says.
    private var swept = MonotonicTime.now
    private var seats: [String: NodeSeat] = [:]
    /// Folders that are not a whole workspace yet.
    private var isWaitingForMore = false
    /// What the log has said of those that cannot be served: they are tried again and again.
    private var complaints: [String: String] = [:]

    init(_ settings: NodeSettings) throws {
        self.settings = settings
        logger = SidecarSettings.logger(settings.logLevel)
        signals = try SignalDescriptor()
        watch = ControlWatch.start(logger)
        Priority.raise(logger)
        // Each workspace takes three, and the soft limit, 1024 as a rule, is that low for the sake of select(2) alone.
        DescriptorLimit.raise()
        guard let resolved = realpath(settings.root, nil) else {
            throw SidecarError(.workspace, "the folder cannot be read", cause: SystemError("realpath", settings.root))
        }
        defer { free(resolved) }
        root = String(cString: resolved)
        isNoticed = false
        if let watch {
            try watch.add(root)
            isNoticed = watch.isProved(in: root)
        }
        pacing = Pacing(interval: settings.pollInterval, isNoticed: isNoticed)
    }

    /// Serves until a signal ends it.
    ///
    /// - Returns: the exit status to leave with.
    func run() throws -> CInt {
        let notes = SuccessionNotes()
        _ = notes.open(
            directory: settings.stateDirectory, wsid: StateFile.nodeName,
            StateFile.Note(
                sidecar: SidecarIdentity.make(), mode: .node, method: "none", workspace: root, guardian: 0, cgroup: nil,
                hasMadeCgroup: false), logger)
        defer {
            for seat in seats.values { seat.leave() }
            notes.close(logger)
        }
        logger.info("node ready", [.path: LogValue(root), .state: isNoticed ? "inotify" : "poll"])
        var poll = PollSet([signals.raw, watch?.descriptor ?? -1])
        try discover()
        var changed = Set(seats.keys)
        while true {
            poll.wait(timeout(serve(changed)))
            if poll.isReady(0), let status = takeSignals() { return status }
            let changes = poll.isReady(1) ? watch?.changes() ?? .everything : .folders([])
            // Without a word of inotify it is the time that has passed, and everything may have changed.
            let isSweep = swept + pacing.idle <= .now
            let mayAllHaveChanged = !isNoticed || changes == .everything || isSweep
            if isSweep { swept = .now }
            let hasLost = seats.values.contains { $0.isTouched(by: changes) && $0.isGone }
            if hasLost || mayAllHaveChanged || isWaitingForMore || changes.contains(root) { try discover() }
            changed = Set(
                seats.values.filter { mayAllHaveChanged || $0.isTouched(by: changes) || $0.isBusy }.map(\.wsid))
        }
    }

    /// How long nothing needs to be looked at.
    private func timeout(_ pace: Duration?) -> Duration {
        if let pace { return pace }
        return isWaitingForMore ? settings.pollInterval : max((swept + pacing.idle).remaining, .milliseconds(1))
    }

    /// - Returns: the shortest pace that a participant asks for; nil when all are idle.
    private func serve(_ changed: Set<String>) -> Duration? {
        var shortest: Duration?
        for wsid in changed {
            guard let pace = seats[wsid]?.serve() else { continue }
            shortest = min(pace, shortest ?? pace)
        }
        return shortest
    }

    /// Finds workspaces that have come and drops those that are gone.
    private func discover() throws {
        isWaitingForMore = false
        for (wsid, seat) in seats where seat.isGone {
            seat.leave()
            seats[wsid] = nil
        }
        let names: [String]
        do {
            names = try FolderNames.read(root)
        } catch {
            throw SidecarError(.workspace, "the folder cannot be read", cause: error)
        }
        let before = complaints
        complaints = [:]
        for name in names where Workspace.isValid(wsid: name) && seats[name] == nil && !isFile(name) {
            admit(name, before[name])
        }
    }

    /// Beside the workspaces there may be one that has such a name.
    private func isFile(_ name: String) -> Bool {
        var status = stat()
        return lstat("\(root)/\(name)", &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// - Parameter complaint: see `complaints`.
    private func admit(_ wsid: String, _ complaint: String?) {
        let logger = logger.with(.wsid, LogValue(wsid))
        do {
            guard let workspace = try Workspace(at: "\(root)/\(wsid)") else {
                isWaitingForMore = true
                return
            }
            let seat = try NodeSeat(workspace, logger: logger)
            if let watch { try seat.beWatched(by: watch) }
            seats[wsid] = seat
            _ = seat.serve()
        } catch {
            let reason = String(describing: error)
            if reason != complaint { logger.warn("a workspace is not served", [.error: .text(reason)]) }
            complaints[wsid] = reason
            isWaitingForMore = true
        }
    }

    private func takeSignals() -> CInt? {
        while let signal = signals.next() {
            if [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(signal.number) { return 0 }
        }
        return nil
    }
}
