private import Glibc
import RuntimeCore

/// The `juicefs` program: what it is able to do, and the two of its commands that are used here
/// (https://juicefs.com/docs/community/command_reference, `clone`, `rmr`; cmd/clone.go, cmd/rmr.go).
final class JuiceFSCommand: Sendable {
    /// A release by its first two numbers.
    struct Release: Comparable, Sendable {
        let major: Int
        let minor: Int

        /// The first that has `clone`.
        static let first = Release(major: 1, minor: 1)

        init(major: Int, minor: Int) { (self.major, self.minor) = (major, minor) }

        /// Of `1.1.0+2023-09-04.08c4ae62`, `1.3.0-beta1+…`, `0.16-dev (2021-07-19 45ce2f1)`.
        init?(_ text: some StringProtocol) {
            let numbers = text.split(separator: ".", maxSplits: 2)
            guard numbers.count >= 2, let major = Int(numbers[0]), let minor = Int(numbers[1].prefix(while: \.isNumber))
            else { return nil }
            self.init(major: major, minor: minor)
        }

        static func < (left: Release, right: Release) -> Bool {
            (left.major, left.minor) < (right.major, right.minor)
        }
    }

    private let program: String
    /// For `--threads` of `clone`; 0 leaves it to the program.
    private let threads: Int
    /// Whether `clone` has `--threads` (from 1.4 on); nil before anybody has looked.
    private let hasThreads = Mutex<Bool?>(nil)

    /// - Parameter program: its path, or its name to be looked up in PATH.
    init(_ program: String = "juicefs", threads: Int = 0) {
        self.program = program
        self.threads = threads
    }

    /// Throws `JuiceFSUnusable` where there is no such program, or it is too old to clone.
    func check() throws {
        let version: String
        do {
            version = try output(["--version"])
        } catch let error as SystemError where error.call == "exec" && error.errno == ENOENT {
            throw JuiceFSUnusable("there is no program \(program); it is part of JuiceFS \(Release.first) and newer")
        }
        // `juicefs version 1.1.0+2023-09-04.08c4ae62`
        let word = version.split(whereSeparator: \.isWhitespace).dropFirst(2).first ?? ""
        guard let release = Release(word) else {
            throw JuiceFSUnusable("\(program) --version says no version: \(version.prefix(200))")
        }
        guard release >= .first else {
            throw JuiceFSUnusable("\(program) is release \(word); clone came with \(Release.first)")
        }
        _ = try takesThreads()
    }

    /// Clones a directory, with owners, modes and times.
    ///
    /// - Parameter progress: counts the entries that the command says it has cloned.
    /// - Throws: `CancellationError`, and the file system gives the clone up; `JuiceFSFailed`.
    func clone(_ source: String, to target: String, progress: CloneProgress, cancellation: Cancellation) throws {
        var words = [program, "clone", "-p"]
        if threads > 0, try takesThreads() { words += ["--threads", String(threads)] }
        try run(words + [source, target], JuiceFSBar("Cloning entries: "), progress, cancellation)
    }

    /// Removes a tree, as many entries at a time as the program thinks fit.
    func remove(_ path: String, progress: CloneProgress, cancellation: Cancellation) throws {
        try run([program, "rmr", path], JuiceFSBar("Removing entries: "), progress, cancellation)
    }

    private func run(
        _ words: [String], _ bar: JuiceFSBar, _ progress: CloneProgress, _ cancellation: Cancellation
    ) throws {
        var bar = bar
        var shown = 0
        let ended = try JuiceFSProcess.run(words, cancellation: cancellation) { piece in
            guard let count = bar.read(piece), count > shown else { return }
            progress.add(count - shown)
            progress.tell()
            shown = count
        }
        guard ended.code == 0 else {
            throw JuiceFSFailed(command: words[1], code: ended.code, complaint: JuiceFSFailed.gist(ended.complaint))
        }
    }

    private func takesThreads() throws -> Bool {
        if let known = hasThreads.withLock({ $0 }) { return known }
        let takes = try output(["clone", "--help"]).contains("--threads")
        hasThreads.withLock { $0 = takes }
        return takes
    }

    private func output(_ words: [String]) throws -> String {
        var bytes: [UInt8] = []
        let ended = try JuiceFSProcess.run([program] + words, cancellation: Cancellation()) { bytes += $0 }
        guard ended.code == 0 else {
            throw JuiceFSFailed(command: words[0], code: ended.code, complaint: JuiceFSFailed.gist(ended.complaint))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension JuiceFSCommand.Release: CustomStringConvertible {
    var description: String { "\(major).\(minor)" }
}

/// What a progress bar of `juicefs` says: `Cloning entries: 1200/34200 [===>---]  218.3/s`, drawn over and over.
struct JuiceFSBar {
    private let label: [UInt8]
    /// What may be the beginning of the next bar.
    private var rest: [UInt8] = []

    init(_ label: String) { self.label = Array(label.utf8) }

    /// The newest count in what has come in; nil where there is none.
    mutating func read(_ piece: [UInt8]) -> Int? {
        rest += piece
        var newest: Int?
        var start = rest.startIndex
        while let found = rest[start...].firstRange(of: label) {
            let number = rest[found.upperBound...].drop { $0 == UInt8(ascii: " ") }.prefix { (48...57).contains($0) }
            // A number at the very end may go on in the next piece.
            if number.endIndex == rest.endIndex {
                start = found.lowerBound
                break
            }
            newest = Int(String(decoding: number, as: UTF8.self)) ?? newest
            start = number.endIndex
        }
        // Enough for a label that is cut in two, and never more than a bar.
        rest = Array(rest[start...].suffix(512))
        return newest
    }
}

/// Why trees can not be cloned by `juicefs` here.
struct JuiceFSUnusable: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The command ended with an error.
struct JuiceFSFailed: Error, Equatable, CustomStringConvertible {
    let command: String
    /// 128 and the signal's number where a signal ended it.
    let code: Int
    let complaint: String

    var description: String {
        let end = code > 128 ? "was ended by signal \(code - 128)" : "ended with \(code)"
        return "juicefs \(command) \(end)\(complaint.isEmpty ? "" : ": \(complaint)")"
    }

    /// The last line that says something.
    static func gist(_ text: String) -> String {
        String(text.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }?.prefix(500) ?? "")
    }
}
