private import Glibc
private import RuntimeCore

/// `wvs-sidecar run` and its agent. What it started is killed when this object goes, also after the sidecar's own end.
package final class Sandbox: Sendable {
    package let sidecar: ProgramProcess
    package let agent: CInt
    /// The folder of its cgroup; empty where there is none.
    package let cgroup: String
    private let mark = ProcessMark()

    /// - Parameters:
    ///   - path: the workspace's folder, as the sidecar sees it.
    ///   - state: the folder of its state file.
    package init(
        _ path: String, state: String, _ command: [String], options: [String] = [], environment: [String: String] = [:]
    ) async throws {
        sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: ["run", "--workspace", path, "--state-dir", state] + options + ["--"] + command,
            environment: environment.merging(mark.environment) { $1 })
        let line = try await sidecar.line { $0.contains("agent started") }
        agent = CInt(Self.field("pid", of: line)) ?? 0
        cgroup = Self.field("cgroup", of: line)
    }

    deinit {
        // A sidecar that is alive passes it on and cleans up behind its agent.
        if !sidecar.hasEnded {
            kill(sidecar.pid, SIGCONT)
            kill(agent, SIGKILL)
            sidecar.wait()
        }
        AgentCgroup.remove(cgroup)
        // Without a cgroup the agent's children are left, and so is who had gone out of it.
        mark.killAll()
    }

    /// Whether `cgroup.freeze` says so.
    package var isFrozen: Bool {
        let file = open("\(cgroup)/cgroup.freeze", O_RDONLY)
        guard file >= 0 else { return false }
        defer { close(file) }
        var byte: UInt8 = 0
        return read(file, &byte, 1) == 1 && byte == UInt8(ascii: "1")
    }

    /// The sidecar's child of that name.
    package static func guardian(of sidecar: CInt) throws -> CInt? {
        // It names itself some time after it was forked.
        for _ in 0..<2000 {
            if let guardian = try namedGuardian(of: sidecar) { return guardian }
            usleep(5000)
        }
        return nil
    }

    private static func namedGuardian(of sidecar: CInt) throws -> CInt? {
        let file = open("/proc/\(sidecar)/task/\(sidecar)/children", O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { throw SystemError("read", "children") }
        for word in String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ") {
            guard let pid = CInt(word) else { continue }
            let name = open("/proc/\(pid)/comm", O_RDONLY)
            defer { close(name) }
            var text = [UInt8](repeating: 0, count: 32)
            let length = read(name, &text, text.count)
            if length > 0, String(decoding: text[..<length], as: UTF8.self) == "wvs-guardian\n" { return pid }
        }
        return nil
    }

    /// A member of a log line, as text.
    package static func field(_ name: String, of line: String) -> String {
        guard let start = line.firstRange(of: "\"\(name)\":") else { return "" }
        return String(line[start.upperBound...].prefix { $0 != "," && $0 != "}" }.filter { $0 != "\"" })
    }
}
