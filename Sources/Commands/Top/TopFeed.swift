private import CShims
import Dispatch
private import Glibc
import JSON
import Runtime
import RuntimeCore

/// Asks the server in the background, so that keys never wait for it.
final class TopFeed: Sendable {
    private struct State {
        var sight = TopSight()
        var notices: [String] = []
        var actions: [TopModel.Action] = []
        var workspace: String?
        var followed: String?
        var isEnded = false
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    /// Written to when there is something new to show.
    let news: CInt

    init() throws(CommandError) {
        news = eventfd(0, CInt(EFD_NONBLOCK | EFD_CLOEXEC))
        guard news >= 0 else { throw CommandError(.failed, "eventfd: \(String(cString: strerror(errno)))") }
    }

    deinit { close(news) }

    /// Looks once a second, and at once when something was asked for.
    func start(server: String) {
        DispatchQueue(label: "wvsctl.top").async { [self] in
            do throws(CommandError) {
                let client = try APIClient(baseURL: server, isVerbose: false)
                while !state.withLock({ $0.isEnded }) {
                    act(client)
                    look(client)
                    tellNews()
                    _ = wake.wait(timeout: .now() + .seconds(1))
                }
            } catch {
                state.withLock { $0.sight.problem = error.message }
                tellNews()
            }
        }
    }

    func end() {
        state.withLock { $0.isEnded = true }
        wake.signal()
    }

    func perform(_ action: TopModel.Action) {
        state.withLock { $0.actions.append(action) }
        wake.signal()
    }

    /// What is looked at beside the lists.
    func want(workspace: String?, followed: String?) {
        let changed = state.withLock { state in
            defer { (state.workspace, state.followed) = (workspace, followed) }
            return state.workspace != workspace || state.followed != followed
        }
        if changed { wake.signal() }
    }

    /// The newest look, and what was answered to actions since the last call.
    func take() -> (TopSight, [String]) {
        var count: UInt64 = 0
        _ = read(news, &count, 8)
        return state.withLock { state in
            defer { state.notices = [] }
            return (state.sight, state.notices)
        }
    }

    private func tellNews() {
        var one: UInt64 = 1
        _ = write(news, &one, 8)
    }

    // MARK: On the feed's own thread

    private func act(_ client: APIClient) {
        let actions = state.withLock { state in
            defer { state.actions = [] }
            return state.actions
        }
        for action in actions {
            let notice: String
            do throws(CommandError) {
                notice = try perform(action, client)
            } catch {
                notice = error.message
            }
            state.withLock { $0.notices.append(notice) }
        }
    }

    private func perform(_ action: TopModel.Action, _ client: APIClient) throws(CommandError) -> String {
        let answer: JSONValue
        switch action {
        case .create(let wsid, let owner):
            let body: JSONValue = ["wsid": .string(wsid), "owner": .string(owner)]
            answer = try client.write("POST", "/v1/workspaces", body: body, key: UUIDv7.make()).body
        case .snapshot(let wsid, let message):
            let body: JSONValue = message.isEmpty ? [:] : ["message": .string(message)]
            let path = "/v1/workspaces/\(pathSegment(wsid))/snapshots"
            answer = try client.write("POST", path, body: body, key: UUIDv7.make()).body
        case .setCurrent(let wsid, let snapshot):
            let path = "/v1/workspaces/\(pathSegment(wsid))/current:set"
            let body: JSONValue = ["snapshot_id": .string(snapshot)]
            answer = try client.write("POST", path, body: body, key: UUIDv7.make()).body
        case .drop(let wsid, let snapshot):
            let path = "/v1/workspaces/\(pathSegment(wsid))/snapshots/\(pathSegment(snapshot))"
            answer = try client.write("DELETE", path, key: UUIDv7.make()).body
        case .cancel(let task): answer = try client.change("POST", taskPath(task) + ":cancel").body
        }
        let task = answer.cell("task_id") ?? answer.cell("init_task_id") ?? ""
        return "\(action.sentence): task \(task) \(answer.cell("status") ?? "accepted")"
    }

    private func look(_ client: APIClient) {
        let (workspace, followed, last) = state.withLock { ($0.workspace, $0.followed, $0.sight) }
        var sight = last
        sight.server = client.baseURL
        do throws(CommandError) {
            sight.workspaces = try items(client, "/v1/workspaces?limit=100")
            sight.tasks = try items(client, "/v1/tasks?limit=100")
            sight.snapshotsOf = workspace
            if let workspace {
                sight.snapshots = try items(client, "/v1/workspaces/\(pathSegment(workspace))/snapshots?limit=100")
            }
            sight.followed = nil
            if let followed { sight.followed = try client.get(taskPath(followed)).body }
            // FAILED is what waits for its next attempt; what is given up is DEAD.
            let waiting = try ["PENDING", "FAILED"].map { (status) throws(CommandError) in
                try items(client, "/v1/tasks?limit=100&status=\(status)").count
            }
            sight.depths = (last.depths + [Double(waiting[0] + waiting[1])]).suffix(120)
            sight.problem = nil
        } catch {
            sight.problem = error.message
        }
        state.withLock { $0.sight = sight }
    }

    private func items(_ client: APIClient, _ path: String) throws(CommandError) -> [JSONValue] {
        try client.get(path, timeout: .seconds(5)).body["items"]?.array ?? []
    }
}
