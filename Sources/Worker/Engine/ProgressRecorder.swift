import ExecutorRPC
import GRPCTransport
import Runtime
import RuntimeCore

/// Follows a running attempt on its executor and stores what it reports, for a person who waits (design 3, `progress`).
///
/// Nothing is asked of attempts that end within one interval, and no attempt waits for it: it stores the newest report at most
/// once in an interval, and a failure is left for the next.
struct ProgressRecorder: Sendable {
    let ledger: Ledger
    let interval: Duration
    let logger: Logger

    /// Until cancelled.
    func follow(_ task: HeldTask, on executor: ExecutorClient) async {
        do { try await Task.sleep(for: interval) } catch { return }
        let latest = Watched<Progress?>(nil)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await watch(task, on: executor, latest) }
            group.addTask { await store(latest, of: task) }
        }
    }

    private func watch(_ task: HeldTask, on executor: ExecutorClient, _ latest: Watched<Progress?>) async {
        let request = WatchTaskRequest(taskID: task.ownership.taskID, fence: UInt64(clamping: task.ownership.fence))
        while !Task.isCancelled {
            do {
                for try await event in try executor.watchTask(request, deadline: nil) {
                    if case .progress(let progress) = event { latest.update { $0 = progress } }
                }
                return
            } catch {
                // Where it is not known yet, or the stream broke: once more.
                logger.debug("progress not watched", [.taskID: .text(request.taskID), .error: LogValue(error)])
                do { try await Task.sleep(for: interval) } catch { return }
            }
        }
    }

    private func store(_ latest: Watched<Progress?>, of task: HeldTask) async {
        var seen: Watched<Progress?>.Version?
        while true {
            do {
                let (progress, version) = try await latest.next(after: seen)
                seen = version
                guard let progress else { continue }
                try await ledger.storeProgress(progress.json, of: task.ownership)
            } catch {
                if Task.isCancelled { return }
                logger.debug("progress not stored", [.taskID: .text(task.ownership.taskID), .error: LogValue(error)])
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }
}
