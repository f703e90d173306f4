private import CShims
private import Glibc
package import RuntimeCore

/// A folder of files that one writer keeps in step, so that a torn copy of it shows.
///
/// Step n writes the number n, one file after the other: `intent`, a line of `journal` (a new file every 2,048 lines), a
/// store to the mapped file `mapped`, every file below `cells/`, `head` (replaced by rename), `done`. At every instant the
/// numbers in that order therefore never rise, and the first is at most one above the last. A copy that read its files at
/// different instants breaks that as soon as the writer is fast.
package final class Ledger {
    private let path: String
    private let intent: FileDescriptor
    private var journal: CInt
    private let mapping: UnsafeMutablePointer<UInt64>
    private let cells: [CInt]
    private let done: FileDescriptor
    /// The last completed step.
    package private(set) var step: UInt64

    /// Opens the ledger, creating it where there is none, and completes a step that was cut off.
    ///
    /// - Parameter cellCount: how many files a step touches below `cells/`.
    package init(path: String, cellCount: Int) throws(SystemError) {
        self.path = path
        try makeDirectory(path)
        try makeDirectory("\(path)/cells")
        intent = try open("\(path)/intent", O_RDWR | O_CREAT)
        let journal = try open("\(path)/journal", O_RDWR | O_CREAT | O_APPEND)
        done = try open("\(path)/done", O_RDWR | O_CREAT)
        mapping = try map("\(path)/mapped")
        var descriptors: [CInt] = []
        for index in 0..<cellCount {
            do {
                descriptors.append(try open("\(path)/cells/\(index)", O_RDWR | O_CREAT).release())
            } catch {
                descriptors.forEach { _ = close($0) }
                munmap(mapping, mappingSize)
                throw error
            }
        }
        cells = descriptors
        self.journal = journal.release()
        step = try LedgerFile.number("\(path)/done")
        let begun = try LedgerFile.number("\(path)/intent")
        if begun > step {
            let lines = try LedgerFile.content("\(path)/journal").split(separator: UInt8(ascii: "\n"))
            try finish(begun, appendLine: lines.last.map { String(decoding: $0, as: UTF8.self) } != String(begun))
        }
    }

    deinit {
        close(journal)
        cells.forEach { _ = close($0) }
        munmap(mapping, mappingSize)
    }

    /// Writes the next step.
    package func advance() throws(SystemError) {
        let next = step + 1
        try writeNumber(next, intent.raw)
        try finish(next, appendLine: true)
    }

    private func finish(_ number: UInt64, appendLine: Bool) throws(SystemError) {
        if appendLine { try append(number) }
        mapping.pointee = number
        for cell in cells { try writeNumber(number, cell) }
        do {
            let temporary = try open("\(path)/head.new", O_WRONLY | O_CREAT | O_TRUNC)
            try writeNumber(number, temporary.raw)
        }
        try systemCall("rename", "head") { rename("\(path)/head.new", "\(path)/head") }
        try writeNumber(number, done.raw)
        step = number
    }
}

extension Ledger {
    /// Appends a line to the journal, or begins a new one with it.
    private func append(_ number: UInt64) throws(SystemError) {
        if number % 2048 != 0 { return try writeLine(number) }
        let fresh = try open("\(path)/journal.new", O_RDWR | O_CREAT | O_TRUNC | O_APPEND).release()
        close(journal)
        journal = fresh
        try writeLine(number)
        try systemCall("rename", "journal") { rename("\(path)/journal.new", "\(path)/journal") }
    }

    private func writeLine(_ number: UInt64) throws(SystemError) {
        var line = "\(number)\n"
        try systemCall("write", "journal") { line.withUTF8 { write(journal, $0.baseAddress, $0.count) } }
    }
}

/// A mapped file is one page.
private let mappingSize = 4096

private func map(_ path: String) throws(SystemError) -> UnsafeMutablePointer<UInt64> {
    let file = try open(path, O_RDWR | O_CREAT)
    try systemCall("ftruncate", path) { ftruncate(file.raw, off_t(mappingSize)) }
    guard let address = mmap(nil, mappingSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.raw, 0), address != MAP_FAILED
    else { throw SystemError("mmap", path) }
    return address.bindMemory(to: UInt64.self, capacity: 1)
}

private func open(_ path: String, _ flags: CInt) throws(SystemError) -> FileDescriptor {
    FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, flags | O_CLOEXEC, 0o644) })
}

private func makeDirectory(_ path: String) throws(SystemError) {
    if mkdir(path, 0o755) != 0, lastErrno != EEXIST { throw SystemError("mkdir", path) }
}

/// Numbers are 20 characters and a line end, so that writing one is a single write of fixed length.
private func writeNumber(_ number: UInt64, _ descriptor: CInt) throws(SystemError) {
    let digits = String(number)
    var text = String(repeating: " ", count: 20 - digits.count) + digits + "\n"
    try systemCall("pwrite") { text.withUTF8 { pwrite(descriptor, $0.baseAddress, $0.count, 0) } }
}
