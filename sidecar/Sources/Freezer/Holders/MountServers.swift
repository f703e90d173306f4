private import Glibc
import RuntimeCore

/// Finds the processes that serve a workspace's file system (FUSE). Frozen, they could answer neither the flush nor anybody
/// else, and nothing would ever thaw but by the lease.
package final class MountServers {
    private struct Known {
        let device: String
        let servers: [ProcessID: UInt64]
    }

    private var known: Known?

    package init() {}

    /// Empty for file systems that the kernel serves itself.
    package func servers(of files: WorkspaceFiles) -> Set<ProcessID> {
        guard files.isServedByProcess, let device = files.place?.device else { return [] }
        if let known, known.device == device, !known.servers.isEmpty,
            known.servers.allSatisfy({ ProcessTable.status($0.key)?.startTime == $0.value })
        {
            return Set(known.servers.keys)
        }
        let connection = device.split(separator: ":").last.map(String.init) ?? ""
        let processes = (try? ProcessTable.all()) ?? []
        let found = processes.compactMap { pid in Self.serves(pid, connection).map { (pid, $0) } }
        // Anybody may open /dev/fuse; before Linux 6.17 nothing tells what came of it.
        let certain = found.filter(\.1).map(\.0)
        let servers = certain.isEmpty ? found.map(\.0) : certain
        known = Known(
            device: device,
            servers: Dictionary(
                servers.map { ($0, ProcessTable.status($0)?.startTime ?? 0) }, uniquingKeysWith: { first, _ in first }))
        return Set(servers)
    }

    /// True for a process that serves the connection, false for one of which this cannot be told, nil for others.
    private static func serves(_ process: ProcessID, _ connection: String) -> Bool? {
        guard let numbers = try? ProcFS.numbers("/proc/\(process)/fd") else { return nil }
        var mayServe: Bool?
        for number in numbers where ProcFS.target("/proc/\(process)/fd/\(number)") == "/dev/fuse" {
            guard let text = try? ProcFS.read("/proc/\(process)/fdinfo/\(number)") else { continue }
            let line = text.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
                .first { $0.hasPrefix("fuse_connection:") }
            guard let line else {
                mayServe = mayServe ?? false
                continue
            }
            if line.dropFirst("fuse_connection:".count).filter(\.isNumber) == connection { return true }
        }
        return mayServe
    }
}
