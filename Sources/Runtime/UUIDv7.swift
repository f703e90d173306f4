private import Glibc
private import RuntimeCore

/// Time-ordered ids (RFC 9562, section 5.7) in lower-case text.
package enum UUIDv7 {
    /// A new id. Ids made by one process ascend, also within a millisecond.
    package static func make() -> String { text(bytes: nextBytes()) }

    /// Whether `text` is a UUID v7 in the lower-case form that WVS uses.
    package static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 36 else { return false }
        for (index, byte) in bytes.enumerated() {
            switch index {
            case 8, 13, 18, 23: if byte != UInt8(ascii: "-") { return false }
            case 14: if byte != UInt8(ascii: "7") { return false }
            case 19: if !"89ab".utf8.contains(byte) { return false }
            default: if !"0123456789abcdef".utf8.contains(byte) { return false }
            }
        }
        return true
    }

    private struct State {
        /// Of the last id.
        var milliseconds: UInt64 = 0
        /// Orders the ids within a millisecond, in 12 bits.
        var counter: UInt16 = 0
        private var random: [UInt64] = []

        /// The kernel is asked for many at once: for a busy server its calls add up.
        mutating func randomWord() -> UInt64 {
            if let word = random.popLast() { return word }
            random = [UInt64](repeating: 0, count: 32)
            // 256 bytes are what getentropy(3) gives at once.
            let outcome = random.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { getentropy($0, bytes.count) }
            }
            precondition(outcome == 0, "no randomness from the kernel")
            return random.removeLast()
        }
    }

    private static let state = RuntimeCore.Mutex(State())

    private static func nextBytes() -> [UInt8] {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
        let (milliseconds, counter, word) = state.withLock { state in
            if now > state.milliseconds {
                (state.milliseconds, state.counter) = (now, UInt16(state.randomWord() & 0x7ff))
            } else if state.counter < 0xfff {
                state.counter += 1
            } else {
                (state.milliseconds, state.counter) = (state.milliseconds + 1, 0)
            }
            return (state.milliseconds, state.counter, state.randomWord())
        }
        var bytes = [UInt8](repeating: 0, count: 16)
        for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: milliseconds >> UInt64(40 - 8 * index)) }
        bytes[6] = 0x70 | UInt8(counter >> 8)
        bytes[7] = UInt8(truncatingIfNeeded: counter)
        for index in 8..<16 { bytes[index] = UInt8(truncatingIfNeeded: word >> UInt64(8 * (index - 8))) }
        bytes[8] = 0x80 | (bytes[8] & 0x3f)
        return bytes
    }

    private static func text(bytes: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: 36) { text in
            var count = 0
            func add(_ digit: UInt8) {
                text[count] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                count += 1
            }
            for (index, byte) in bytes.enumerated() {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    text[count] = UInt8(ascii: "-")
                    count += 1
                }
                add(byte >> 4)
                add(byte & 15)
            }
            return count
        }
    }
}
