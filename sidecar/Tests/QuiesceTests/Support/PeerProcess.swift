import Foundation
import Glibc
import RuntimeCore
import Testing

/// `Tests/Peer/peer.py`: a sidecar of other making, in a process of its own, with an agent that can really be stopped.
final class PeerProcess {
    private let pid: pid_t
    let agent: pid_t

    init(_ scratch: ControlScratch, id: String, stallsBeforeAck: Bool = false) throws {
        let script = URL(filePath: #filePath).appending(path: "../../../Peer/peer.py").standardized.path
        let arguments = ["python3", script, scratch.path, id] + (stallsBeforeAck ? ["--stall-before-ack"] : [])
        let raw = arguments.map { strdup($0) } + [nil]
        defer { for argument in raw { free(argument) } }
        var pid: pid_t = 0
        try #require(posix_spawnp(&pid, "python3", nil, nil, raw, environ) == 0)
        self.pid = pid
        var agent: pid_t?
        let note = "\(scratch.path)/\(id).agent"
        let isUp = eventually {
            agent = (try? String(contentsOfFile: note, encoding: .utf8)).flatMap { pid_t($0) }
            return agent != nil
        }
        if !isUp { kill(pid, SIGKILL) }
        self.agent = try #require(agent, "the peer did not come up")
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        // Its guardian, which was its last child, sees it go and ends too.
        kill(agent, SIGKILL)
    }

    func signal(_ number: CInt) { kill(pid, number) }

    /// From `/proc/<pid>/stat`: T when stopped.
    var agentState: Character? {
        let stat = try? String(contentsOfFile: "/proc/\(agent)/stat", encoding: .utf8)
        return stat.flatMap { text in text.lastIndex(of: ")").map { text[text.index($0, offsetBy: 2)] } }
    }
}
