private import Glibc
package import JSON
import RuntimeCore

/// A whole WVS of real parts for one test: a database, a folder on a real file system, and the four programs as processes.
package final class TestStack: Sendable {
    package struct Options: Sendable {
        /// `WVS_FAILPOINT` by program.
        package var failpoints: [String: String] = [:]
        /// Further variables by program.
        package var environment: [String: [String: String]] = [:]
        /// The engine; must suit the mount.
        package var engine = "reflink"
        /// Where the agents and their sidecars see the workspaces, if that is another mount than the executor's.
        package var agentMount: String?

        package init() {}
    }

    package let database: TestDatabase
    /// Where the workspaces are.
    package let mount: String
    package let options: Options
    private struct State {
        var programs: [String: ProgramProcess] = [:]
        var agents: [ProgramProcess] = []
        var executorAddress = "127.0.0.1:0"
        var apiAddress = SocketAddress(host: "127.0.0.1", port: 0)
    }

    private let state = Mutex(State())

    /// The sidecars with their agents, in the order of their start.
    package var agents: [ProgramProcess] { state.withLock { $0.agents } }

    package var apiURL: String { "http://\(state.withLock { $0.apiAddress })" }

    /// The process of a program that was started.
    package func program(_ name: String) -> ProgramProcess {
        guard let program = state.withLock({ $0.programs[name] }) else {
            preconditionFailure("\(name) was not started")
        }
        return program
    }

    /// Starts executor, API and worker, and waits until they serve.
    ///
    /// - Parameter mount: an empty folder that the agents' users can enter.
    package init(database: TestDatabase, mount: String, options: Options = Options()) async throws {
        self.database = database
        self.mount = mount
        self.options = options
        try await start("wvs-executor")
        try await start("wvs-api")
        try await start("wvs-worker")
    }

    deinit { end() }

    /// Ends everything that was started, agents first.
    package func end() {
        let (programs, agents) = state.withLock { ($0.programs, $0.agents) }
        agents.forEach { $0.end(SIGTERM) }
        programs.values.forEach { $0.end(SIGKILL) }
        AgentCgroup.removeAll(notedIn: mount + ".state")
    }

    /// Starts a program, again if it has ended; the second time without its failpoint.
    package func start(_ name: String) async throws {
        let isRestart = state.withLock { $0.programs[name] != nil }
        var environment = common(name)
        environment["WVS_FAILPOINT"] = isRestart ? nil : options.failpoints[name]
        let program = try ProgramProcess(name, environment: environment)
        state.withLock { $0.programs[name] = program }
        switch name {
        case "wvs-executor":
            // The worker knows it from its start: a restarted executor listens on the same port.
            let address = try await program.address("grpc").description
            state.withLock { $0.executorAddress = address }
        case "wvs-api":
            let address = try await program.address("api")
            state.withLock { $0.apiAddress = address }
        default: _ = try await program.address("metrics")
        }
    }

    /// Starts an agent below a sidecar in a workspace.
    ///
    /// - Parameters:
    ///   - command: the agent; the demo agent if nil.
    ///   - ticker: where the demo agent writes its pauses.
    @discardableResult
    package func startAgent(
        _ wsid: String, command: [String]? = nil, sidecarOptions: [String] = [], ticker: String? = nil
    ) throws -> ProgramProcess {
        let folder = "\(options.agentMount ?? mount)/\(wsid)"
        var agent = [
            ProgramProcess.folder + "/demo-agent", "run", "--workspace", folder, "--threads", "2", "--children",
        ]
        agent += ["--pause", "0ms"] + (ticker.map { ["--ticker", $0] } ?? [])
        var environment = options.environment["wvs-sidecar"] ?? [:]
        environment["WVS_FAILPOINT"] = agents.isEmpty ? options.failpoints["wvs-sidecar"] : nil
        environment["WVS_STATE_DIR"] = mount + ".state"
        let sidecar = try ProgramProcess(
            "wvs-sidecar", arguments: ["run", "--workspace", folder] + sidecarOptions + ["--"] + (command ?? agent),
            environment: environment)
        state.withLock { $0.agents.append(sidecar) }
        return sidecar
    }

    /// Starts a sidecar that answers for the workspaces that nobody works in. The caller ends it.
    package func startNode() throws -> ProgramProcess {
        try ProgramProcess(
            "wvs-sidecar", arguments: ["node", "--root", mount], environment: ["WVS_STATE_DIR": mount + ".node"])
    }

    /// Ends this stack's agents that have lost their sidecar: processes that name a workspace's folder.
    package func endOrphans(of folder: String) async throws {
        let script = "grep -lF -- '\(folder)' /proc/[0-9]*/cmdline 2>/dev/null || true"
        for path in try await Command.run(["sh", "-c", script]).split(separator: "\n") {
            guard let file = fopen(String(path), "re") else { continue }
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = fread(&buffer, 1, buffer.count, file)
            fclose(file)
            let program = String(
                decoding: buffer[..<count].prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            guard program.hasSuffix("/demo-agent"), let pid = Int32(path.split(separator: "/")[1]) else { continue }
            kill(pid, SIGKILL)
            // Only then can a successor of its sidecar remove its cgroup.
            try await eventually("process \(pid) is gone") { kill(pid, 0) != 0 }
        }
    }

    // MARK: The API, as a client sees it

    package func send(
        _ method: String, _ path: String, key: String? = nil, headers: [String: String] = [:], body: JSONValue? = nil
    ) async throws -> HTTPExchange {
        var headers = headers
        headers["Idempotency-Key"] = key
        return try await HTTPExchange.send(
            method, path, to: state.withLock { $0.apiAddress }, headers: headers, body: body, timeout: .seconds(70))
    }

    /// Creates a workspace and waits until it is ACTIVE.
    package func createWorkspace(_ wsid: String, uid: Int? = nil) async throws {
        var body: JSONObject = ["wsid": .string(wsid), "owner": "test"]
        if let uid {
            body["uid"] = .integer(Int64(uid))
            body["gid"] = .integer(Int64(uid))
        }
        try await succeed("POST", "/v1/workspaces", body: .object(body), member: "init_task_id")
    }

    /// Takes a snapshot; answers the ended task.
    @discardableResult
    package func snapshot(_ wsid: String) async throws -> JSONValue {
        try await succeed("POST", "/v1/workspaces/\(wsid)/snapshots", body: [:])
    }

    @discardableResult
    package func setCurrent(_ wsid: String, _ snapshot: String) async throws -> JSONValue {
        try await succeed("POST", "/v1/workspaces/\(wsid)/current:set", body: ["snapshot_id": .string(snapshot)])
    }

    /// Sends a write, waits for its task, and throws unless that succeeded.
    @discardableResult
    package func succeed(_ method: String, _ path: String, body: JSONValue? = nil, member: String = "task_id")
        async throws
        -> JSONValue
    {
        let task = try await ended(try await accept(method, path, body: body, member: member))
        guard task["status"] == "SUCCEEDED" else {
            throw ProgramError(message: "\(method) \(path) ended as \(task.text)\n\(logs)")
        }
        return task
    }

    /// Sends a write and answers its task's id.
    package func accept(
        _ method: String, _ path: String, key: String? = nil, body: JSONValue? = nil, member: String = "task_id"
    ) async throws -> String {
        let key = key ?? "key-\(UInt64.random(in: .min ... .max))"
        let answer = try await send(method, path, key: key, body: body)
        guard answer.status == 202, let id = try answer.json[member]?.string else {
            throw ProgramError(message: "\(method) \(path) answered \(answer.status): \(answer.body)\n\(logs)")
        }
        return id
    }

    /// The task once it has ended.
    package func ended(_ taskID: String, within limit: Duration = .seconds(60)) async throws -> JSONValue {
        let deadline = MonotonicTime.now + limit
        while deadline.remaining > .zero {
            let wait = max(1, deadline.remaining.wholeMilliseconds / 1000)
            let task = try await send("GET", "/v1/tasks/\(taskID)", headers: ["Prefer": "wait=\(wait)"]).json
            if ["SUCCEEDED", "DEAD", "CANCELED"].contains(task["status"]?.string) { return task }
        }
        throw ProgramError(message: "task \(taskID) has not ended\n\(logs)")
    }

    /// The last lines of every program, for messages.
    package var logs: String {
        state.withLock { Array($0.programs.values) + $0.agents }.map { "-- \($0.name)\n\($0.tail)" }.joined(
            separator: "\n")
    }

    private func common(_ name: String) -> [String: String] {
        var environment = ["WVS_METRICS_ADDR": "127.0.0.1:0", "WVS_WORKSPACE_ROOT": mount, "WVS_LOG_LEVEL": "debug"]
        switch name {
        case "wvs-executor":
            environment["EXECUTOR_MOUNT_PATH"] = mount
            environment["EXECUTOR_VOLUME"] = "any"
            environment["EXECUTOR_ENGINE"] = options.engine
            environment["EXECUTOR_GRPC_ADDR"] = state.withLock { $0.executorAddress }
            environment["EXECUTOR_METRICS_ADDR"] = "127.0.0.1:0"
        case "wvs-worker":
            environment["EXECUTOR_ADDRS"] = state.withLock { $0.executorAddress }
            environment["WVS_DB_DSN"] = database.dsn
            environment["WORKER_RETRY_BASE"] = "200ms"
        default:
            environment["WVS_DB_DSN"] = database.dsn
            // A restarted API is found where it was.
            environment["WVS_LISTEN_ADDR"] = state.withLock { $0.apiAddress }.description
        }
        return environment.merging(options.environment[name] ?? [:]) { _, specific in specific }
    }
}
