private import CShims
private import Dispatch
private import Glibc
import RuntimeCore

/// An agent that works in `<workspace>/current`: writers on threads of their own, each with a ledger.
package struct Agent: Sendable {
    package struct Options: Sendable {
        /// The `<mount>/<wsid>` folder.
        package var workspace: String
        /// Distinguishes the ledgers of several processes.
        package var name = "a"
        package var threads = 1
        /// Files that a step touches.
        package var cells = 16
        /// Pause between two steps of a thread; zero works as fast as it can.
        package var pause: Duration = .milliseconds(1)
        /// Where the ticker writes its gaps; nil for no ticker.
        package var ticker: String?
        /// Works on in the tree in which it began, also when `current` moves.
        package var stays = false
        /// Starts a short-lived child for each step of one more ledger.
        package var children = false
        /// This program, for the children.
        package var program = ""

        package init(workspace: String) { self.workspace = workspace }
    }

    private let options: Options

    package init(_ options: Options) { self.options = options }

    /// Works until killed; returns only by throwing.
    package func run() throws {
        let failures = Mutex<(any Error)?>(nil)
        let ended = DispatchSemaphore(value: 0)
        func start(_ label: String, _ body: @escaping @Sendable () throws -> Void) {
            DispatchQueue(label: label).async {
                do { try body() } catch { failures.withLock { $0 = error } }
                ended.signal()
            }
        }
        if let path = options.ticker {
            let ticker = try Ticker(path: path)
            start("ticker") { ticker.run() }
        }
        for index in 0..<options.threads {
            start("writer-\(index)") { try write(ledger: "ledger-\(options.name)-\(index)") }
        }
        if options.children { start("children") { try bearChildren(ledger: "ledger-\(options.name)-children") } }
        ended.wait()
        if let error = failures.withLock({ $0 }) { throw error }
    }

    /// One step of a ledger in the tree that is current now, for a short-lived child.
    package func writeOnce(ledger: String) throws {
        try Ledger(path: "\(options.workspace)/\(liveTree())/\(ledger)", cellCount: options.cells).advance()
    }

    /// Steps on and on; moves to the new tree when `current` points elsewhere.
    private func write(ledger: String) throws {
        while true {
            let tree = try liveTree()
            let opened = try Ledger(path: "\(options.workspace)/\(tree)/\(ledger)", cellCount: options.cells)
            repeat {
                for _ in 0..<16 {
                    try opened.advance()
                    if options.pause > .zero { usleep(UInt32(options.pause.wholeMicroseconds)) }
                }
            } while try options.stays || liveTree() == tree
        }
    }

    private func bearChildren(ledger: String) throws {
        while true {
            let arguments = [
                options.program, "step", "--workspace", options.workspace, "--ledger", ledger, "--cells",
                String(options.cells),
            ]
            var child = pid_t()
            let raw: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
            defer { raw.forEach { $0.map { free($0) } } }
            let code = posix_spawn(&child, options.program, nil, nil, raw, environ)
            if code != 0 { throw SystemError("posix_spawn", options.program, errno: code) }
            var status: CInt = 0
            try systemCall("waitpid") { waitpid(child, &status, 0) }
            if options.pause > .zero { usleep(UInt32(options.pause.wholeMicroseconds)) }
        }
    }

    /// Where `current` points, relative to the workspace.
    private func liveTree() throws(SystemError) -> String {
        let path = "\(options.workspace)/current"
        var buffer = [CChar](repeating: 0, count: 256)
        let count = try systemCall("readlink", path) { readlink(path, &buffer, buffer.count) }
        return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
