private import Glibc
package import RuntimeCore

/// Tells whether an agent works, from outside.
package enum LedgerWatch {
    /// Longer than an agent may stand still for a snapshot (`EXECUTOR_FREEZE_LEASE`, 10 s): a frozen one is well.
    package static let patience = Duration.seconds(12)

    /// Whether a ledger of a workspace's current tree takes a step; returns as soon as one has.
    ///
    /// Throws where there is no such tree.
    package static func seesStep(in workspace: String, within patience: Duration = patience) throws(SystemError) -> Bool
    {
        let deadline = MonotonicTime.now + patience
        let before = try steps("\(workspace)/current")
        while MonotonicTime.now < deadline {
            if try steps("\(workspace)/current") != before { return true }
            usleep(20_000)
        }
        return false
    }

    private static func steps(_ root: String) throws(SystemError) -> [String: UInt64] {
        var steps: [String: UInt64] = [:]
        for name in try FolderNames.read(root) where name.hasPrefix("ledger-") {
            do {
                steps[name] = try LedgerFile.number("\(root)/\(name)/done")
            } catch  where error.errno == ENOENT {
                continue  // a ledger that is just being made, or a tree that was just left
            }
        }
        return steps
    }
}
