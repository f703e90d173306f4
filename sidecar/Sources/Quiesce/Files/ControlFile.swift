private import Glibc
import RuntimeCore

/// What a look at `control.json` found. Whatever is not a document is consent to nothing.
package enum Reading: Equatable, Sendable {
    case document(ControlDocument)
    case absent
    /// Empty, half written, malformed, too large, not a regular file; the reason.
    case invalid(String)

    package var document: ControlDocument? { if case .document(let document) = self { document } else { nil } }
}

/// `control.json`, read and changed by compare-and-set.
struct ControlFile: Sendable {
    static let name = "control.json"
    static let lockName = "control.lock"
    /// How long to try for the lock. It keeps writers from each other's way; what it protects is proved otherwise (nonces,
    /// epochs, writers that look again), so whoever holds it for ever costs this much and stops nobody.
    private static let lockPatience = Duration.milliseconds(100)

    let directory: ControlDirectory
    /// The text that was read or written last, and what it says: most looks find what the one before found.
    private let last = Mutex<(bytes: [UInt8], document: ControlDocument)?>(nil)

    init(directory: ControlDirectory) { self.directory = directory }

    /// Reads the document; reads again where it is being written.
    func read() -> Reading {
        var reading = readOnce()
        for _ in 0..<3 {
            guard case .invalid = reading else { return reading }
            usleep(200)
            reading = readOnce()
        }
        return reading
    }

    struct Update {
        /// What stands in the file now, as far as this writer knows.
        let reading: Reading
        let written: Bool
        /// False where the lock was not to be had.
        let locked: Bool
    }

    /// Reads, lets `edit` decide, and writes what it returns under a higher sequence number.
    ///
    /// - Parameters:
    ///   - before: runs ahead of the write, with the lock held.
    ///   - edit: nil leaves the document alone.
    func update(
        before: () -> Void = {}, _ edit: (Reading) -> ControlDocument?
    ) throws(SystemError) -> Update {
        // The lock goes with its descriptor, at the end of this function.
        let lock = self.lock()
        let locked = lock != nil
        let present = read()
        guard var document = edit(present) else { return Update(reading: present, written: false, locked: locked) }
        // By chance, so that two writers without the lock hardly ever choose the same: the halves of two documents with one
        // number would pass for a whole.
        document.sequence = (present.document?.sequence ?? 0) &+ UInt64.random(in: 1...65_536)
        document.timestamp = .now
        guard let bytes = document.encoded() else { throw SystemError("encode", Self.name, errno: EMSGSIZE) }
        before()
        try directory.write(Self.name, bytes)
        _ = consume lock
        remember(bytes, document)
        return Update(reading: .document(document), written: true, locked: locked)
    }

    private func readOnce() -> Reading {
        switch directory.read(Self.name) {
        case .absent: return .absent
        case .unusable(let reason): return .invalid(reason)
        case .bytes(let bytes):
            if let known = last.withLock({ $0?.bytes == bytes ? $0?.document : nil }) { return .document(known) }
            do {
                let document = try ControlDocument(parsing: bytes)
                remember(bytes, document)
                return .document(document)
            } catch {
                return .invalid("\(Self.name): \(error.reason)")
            }
        }
    }

    private func remember(_ bytes: [UInt8], _ document: ControlDocument) {
        last.withLock { $0 = (bytes, document) }
    }

    private func lock() -> FileDescriptor? {
        let deadline = MonotonicTime.now + Self.lockPatience
        do {
            let file = try directory.openRegular(Self.lockName, O_RDWR | O_CREAT, mode: 0o600)
            while flock(file.raw, LOCK_EX | LOCK_NB) != 0 {
                guard lastErrno == EWOULDBLOCK || lastErrno == EINTR, MonotonicTime.now < deadline else { return nil }
                usleep(100)
            }
            return file
        } catch {
            // Somebody put something else there, or took it away: as if it were held.
            return nil
        }
    }
}
