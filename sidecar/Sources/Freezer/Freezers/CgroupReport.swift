private import Glibc

/// How a cgroup stands, for people: read without any right to change it.
package struct CgroupReport: Equatable, Sendable {
    package let processes: [ProcessID]
    package let isFrozen: Bool

    /// Nil where there is no such cgroup, or it may not be read.
    package init?(path: String) {
        guard let members = try? ProcFS.read("\(path)/cgroup.procs") else { return nil }
        processes = members.split(separator: UInt8(ascii: "\n")).compactMap {
            ProcessID(String(decoding: $0, as: UTF8.self))
        }
        if let events = try? ProcFS.read("\(path)/cgroup.events") {
            isFrozen = String(decoding: events, as: UTF8.self).contains("frozen 1")
        } else {
            isFrozen = (try? ProcFS.read("\(path)/freezer.state"))?.elementsEqual("FROZEN\n".utf8) ?? false
        }
    }
}
