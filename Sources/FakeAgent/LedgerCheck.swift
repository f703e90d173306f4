private import Glibc
package import RuntimeCore

/// What a check of ledgers found.
package struct LedgerReport: Sendable {
    /// Completed steps over all ledgers.
    package var steps: UInt64 = 0
    package var ledgers = 0
    /// One sentence for each broken rule; empty where the tree is consistent.
    package var problems: [String] = []
}

/// Holds every ledger below a folder against the rule of `Ledger`.
package enum LedgerCheck {
    /// Throws where a file cannot be read; a ledger folder without its files is a problem, not an error.
    package static func run(root: String) throws(SystemError) -> LedgerReport {
        var report = LedgerReport()
        for name in try FolderNames.read(root).sorted() where name.hasPrefix("ledger-") {
            report.ledgers += 1
            try check("\(root)/\(name)", name, &report)
        }
        return report
    }

    private static func check(_ path: String, _ name: String, _ report: inout LedgerReport) throws(SystemError) {
        let present = Set(try FolderNames.read(path))
        // A ledger's files appear one by one when it is created, before its first step.
        guard present.contains("done"), present.contains("intent"), present.contains("journal") else {
            if present.contains("head") {
                report.problems.append("\(name): files are missing, it has \(present.sorted())")
            }
            return
        }
        var chain: [(String, UInt64)] = [("intent", try LedgerFile.number("\(path)/intent"))]
        chain.append(("journal", try journal("\(path)/journal", name, &report)))
        if present.contains("mapped") { chain.append(("mapped", try LedgerFile.mappedNumber("\(path)/mapped"))) }
        for cell in (try FolderNames.read("\(path)/cells")).compactMap(Int.init).sorted() {
            chain.append(("cells/\(cell)", try LedgerFile.number("\(path)/cells/\(cell)")))
        }
        if present.contains("head") {
            chain.append(("head", try LedgerFile.number("\(path)/head")))
        }
        let done = try LedgerFile.number("\(path)/done")
        chain.append(("done", done))
        report.steps += done
        for (earlier, later) in zip(chain, chain.dropFirst()) where later.1 > earlier.1 {
            report.problems.append("\(name): \(later.0) is at \(later.1), but \(earlier.0) only at \(earlier.1)")
        }
        if chain[0].1 > done + 1 {
            report.problems.append("\(name): intent is at \(chain[0].1), but done only at \(done)")
        }
        if done > 0, !present.contains("head") { report.problems.append("\(name): head is missing after step \(done)") }
    }

    /// The last line's number; every line must be the one before plus one, and whole.
    private static func journal(_ path: String, _ name: String, _ report: inout LedgerReport) throws(SystemError)
        -> UInt64
    {
        var previous: UInt64?
        var number: UInt64 = 0
        var digits = 0
        // Byte by byte: a debug build reads megabytes here.
        for byte in try LedgerFile.content(path) {
            if byte != UInt8(ascii: "\n") {
                number = number &* 10 &+ UInt64(byte &- UInt8(ascii: "0"))
                digits += 1
                continue
            }
            if digits == 0 || number != previous.map({ $0 + 1 }) ?? number {
                report.problems.append("\(name): journal has line \(number) after \(previous ?? 0)")
            }
            previous = number
            number = 0
            digits = 0
        }
        if digits > 0 { report.problems.append("\(name): journal ends within a line") }
        return previous ?? 0
    }

}
