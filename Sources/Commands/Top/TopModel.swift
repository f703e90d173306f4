import JSON
import RuntimeCore

/// What `wvsctl top` knows, and what a key does to it. Neither a terminal nor a server is in it.
struct TopModel {
    enum Pane: Int, CaseIterable { case workspaces, tasks, snapshots }

    enum Key: Equatable {
        case up, down, pageUp, pageDown, home, end, tab, enter, escape, backspace
        case character(Character)
    }

    /// A change that a key asks for.
    enum Action: Equatable, Sendable {
        case create(wsid: String, owner: String)
        case snapshot(wsid: String, message: String)
        case setCurrent(wsid: String, snapshot: String)
        case drop(wsid: String, snapshot: String)
        case cancel(task: String)

        var sentence: String {
            switch self {
            case .create(let wsid, let owner): "create workspace \(wsid) for \(owner)"
            case .snapshot(let wsid, _): "snapshot \(wsid)"
            case .setCurrent(let wsid, let snapshot): "set \(wsid) to \(snapshot)"
            case .drop(let wsid, let snapshot): "drop snapshot \(snapshot) of \(wsid) for good"
            case .cancel(let task): "cancel task \(task)"
            }
        }
    }

    /// What the keys mean now.
    enum Mode: Equatable {
        case browsing
        case filtering
        /// A text is being typed; what it is for decides what follows.
        case typing(Question, String)
        case confirming(Action)
        case help
    }

    enum Question: Equatable {
        case message(wsid: String)
        case wsid
        case owner(wsid: String)

        var prompt: String {
            switch self {
            case .message(let wsid): "message of the snapshot of \(wsid) (may be empty)"
            case .wsid: "name of the new workspace"
            case .owner(let wsid): "owner of \(wsid)"
            }
        }
    }

    /// What the loop has to do after a key.
    enum Effect: Equatable {
        case perform(Action)
        case quit
    }

    private(set) var sight = TopSight()
    private(set) var mode = Mode.browsing
    private(set) var pane = Pane.workspaces
    private(set) var filter = ""
    /// The task that is followed, in place of the snapshots.
    private(set) var followed: String?
    /// What was answered to the last action; gone with the next key.
    private(set) var notice: String?
    /// By id, so that a row stays selected when others come and go.
    private var selected: [Pane: String] = [:]

    // MARK: What is shown

    var workspaces: [JSONValue] { sight.workspaces.filter { matches($0.cell("wsid")) } }
    var tasks: [JSONValue] { sight.tasks.filter { matches($0.cell("wsid")) } }
    /// Of the selected workspace.
    var snapshots: [JSONValue] { sight.snapshotsOf == workspace ? sight.snapshots : [] }

    var workspace: String? { selection(in: .workspaces) }

    func ids(_ pane: Pane) -> [String] {
        switch pane {
        case .workspaces: workspaces.compactMap { $0.cell("wsid") }
        case .tasks: tasks.compactMap { $0.cell("task_id") }
        case .snapshots: snapshots.compactMap { $0.cell("snapshot_id") }
        }
    }

    /// The selected row's id; the first where that row is gone.
    func selection(in pane: Pane) -> String? {
        let ids = ids(pane)
        return selected[pane].flatMap { ids.contains($0) ? $0 : nil } ?? ids.first
    }

    private func matches(_ wsid: String?) -> Bool { filter.isEmpty || wsid?.contains(filter) == true }

    // MARK: What happens

    mutating func receive(_ sight: TopSight) { self.sight = sight }

    mutating func tell(_ notice: String) { self.notice = notice }

    mutating func press(_ key: Key) -> Effect? {
        notice = nil
        switch mode {
        case .browsing: return browse(key)
        case .help: mode = .browsing
        case .filtering: editFilter(key)
        case .typing(let question, let text): return type(key, question, text)
        case .confirming(let action):
            mode = .browsing
            if key == .character("y") || key == .character("Y") { return .perform(action) }
            notice = "not done"
        }
        return nil
    }

    private mutating func browse(_ key: Key) -> Effect? {
        switch key {
        case .up: move(by: -1)
        case .down: move(by: 1)
        case .pageUp: move(by: -10)
        case .pageDown: move(by: 10)
        case .home: move(by: -.max)
        case .end: move(by: .max)
        case .tab: pane = Pane(rawValue: (pane.rawValue + 1) % Pane.allCases.count) ?? .workspaces
        case .enter: followed = pane == .tasks ? selection(in: .tasks) : followed
        case .escape:
            if followed == nil { filter = "" }
            followed = nil
        case .backspace: break
        case .character(let character): return command(character)
        }
        return nil
    }

    private mutating func command(_ character: Character) -> Effect? {
        switch character {
        case "q": return .quit
        case "k": move(by: -1)
        case "j": move(by: 1)
        case "/": mode = .filtering
        case "?", "h": mode = .help
        case "n": mode = .typing(.wsid, "")
        case "s": ask(workspace, "select a workspace first") { .typing(.message(wsid: $0), "") }
        case "c", "d":
            guard let wsid = workspace, let snapshot = selection(in: .snapshots), followed == nil else {
                notice = "the selected workspace shows no snapshot"
                return nil
            }
            mode = .confirming(
                character == "c" ? .setCurrent(wsid: wsid, snapshot: snapshot) : .drop(wsid: wsid, snapshot: snapshot))
        case "x": ask(followed ?? selection(in: .tasks), "there is no task") { .confirming(.cancel(task: $0)) }
        default: notice = "no such key: \(character); ? shows them"
        }
        return nil
    }

    private mutating func ask(_ subject: String?, _ refusal: String, _ mode: (String) -> Mode) {
        guard let subject else { return notice = refusal }
        self.mode = mode(subject)
    }

    private mutating func move(by step: Int) {
        let ids = ids(pane)
        guard !ids.isEmpty else { return }
        let index = selection(in: pane).flatMap(ids.firstIndex) ?? 0
        let target =
            step > 0
            ? min(ids.count - 1, index.addingReportingOverflow(step).overflow ? .max : index + step)
            : max(0, index + max(step, -index))
        selected[pane] = ids[target]
    }

    private mutating func editFilter(_ key: Key) {
        switch key {
        case .character(let character): filter.append(character)
        case .backspace: if !filter.isEmpty { filter.removeLast() }
        case .escape:
            filter = ""
            mode = .browsing
        case .enter: mode = .browsing
        default: break
        }
    }

    private mutating func type(_ key: Key, _ question: Question, _ text: String) -> Effect? {
        switch key {
        case .character(let character): mode = .typing(question, text + String(character))
        case .backspace: mode = .typing(question, String(text.dropLast()))
        case .escape:
            mode = .browsing
            notice = "not done"
        case .enter: return answer(question, text)
        default: break
        }
        return nil
    }

    private mutating func answer(_ question: Question, _ text: String) -> Effect? {
        mode = .browsing
        switch question {
        case .message(let wsid): return .perform(.snapshot(wsid: wsid, message: text))
        case .wsid:
            if text.isEmpty { notice = "not done" } else { mode = .typing(.owner(wsid: text), "") }
        case .owner(let wsid):
            if text.isEmpty { notice = "not done" } else { return .perform(.create(wsid: wsid, owner: text)) }
        }
        return nil
    }
}

/// One look at the server.
struct TopSight: Sendable {
    var server = ""
    var workspaces: [JSONValue] = []
    var tasks: [JSONValue] = []
    /// The workspace whose snapshots these are.
    var snapshotsOf: String?
    var snapshots: [JSONValue] = []
    /// The task that is followed.
    var followed: JSONValue?
    /// Queue depths of the looks so far, newest last.
    var depths: [Double] = []
    /// Why the last look failed; nil where it did not.
    var problem: String?

    /// Freeze windows of the tasks shown, oldest first, in milliseconds.
    var freezeWindows: [Double] { tasks.reversed().compactMap { $0["result"]?["receipt"]?["window_ms"]?.double } }

    func count(_ status: String) -> Int { tasks.count { $0.cell("status") == status } }
}
