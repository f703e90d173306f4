/// The two kinds of control groups, and how each is frozen.
package enum CgroupVersion: String, CaseIterable, Sendable {
    /// One hierarchy; `cgroup.freeze` since Linux 5.2.
    case v2
    /// The freezer hierarchy beside others; `freezer.state`.
    case v1

    /// The file that freezes and thaws.
    var switchName: String { self == .v2 ? "cgroup.freeze" : "freezer.state" }
    var freezeText: StaticString { self == .v2 ? "1" : "FROZEN" }
    var thawText: StaticString { self == .v2 ? "0" : "THAWED" }
    var threadsName: String { self == .v2 ? "cgroup.threads" : "tasks" }

    /// Whether a mount shows a hierarchy of this kind.
    func isShown(by mount: MountTable.Mount) -> Bool {
        switch self {
        case .v2: mount.fileSystem == "cgroup2"
        case .v1: mount.fileSystem == "cgroup" && mount.options.contains("freezer")
        }
    }

    /// Whether a line of `/proc/<pid>/cgroup`, `id:controllers:path`, is about a hierarchy of this kind.
    func isMeant(byControllers controllers: Substring, id: Substring) -> Bool {
        switch self {
        case .v2: id == "0" && controllers.isEmpty
        case .v1: controllers.split(separator: ",").contains("freezer")
        }
    }
}
