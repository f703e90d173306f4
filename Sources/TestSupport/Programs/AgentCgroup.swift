import Foundation
import Glibc
import JSON
import RuntimeCore

/// The cgroup of an agent whose sidecar could not clean up behind it.
enum AgentCgroup {
    /// Kills whoever is in it and removes it.
    static func remove(_ path: String) {
        let killer = open("\(path)/cgroup.kill", O_WRONLY | O_CLOEXEC)
        guard killer >= 0 else { return }
        write(killer, "1", 1)
        close(killer)
        let deadline = MonotonicTime.now + .seconds(5)
        while rmdir(path) == -1, lastErrno == EBUSY, MonotonicTime.now < deadline { usleep(500) }
    }

    /// The same for all that dead sidecars have noted.
    ///
    /// - Parameter state: the folder of their state files.
    static func removeAll(notedIn state: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: state)) ?? [] where name.hasSuffix(".json") {
            guard let text = FileManager.default.contents(atPath: "\(state)/\(name)"),
                let note = try? JSONValue(parsing: String(decoding: text, as: UTF8.self)),
                note["made_cgroup"] == true, let cgroup = note["cgroup"]?.string
            else { continue }
            remove(cgroup)
        }
    }
}
