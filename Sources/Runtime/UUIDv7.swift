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

    /// The last timestamp and the 12-bit counter that orders ids within it.
    private static let last = RuntimeCore.Mutex<(milliseconds: UInt64, counter: UInt16)>((0, 0))

    private static func nextBytes() -> [UInt8] {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
        let (milliseconds, counter) = last.withLock { last -> (UInt64, UInt16) in
            if now > last.milliseconds {
                last = (now, UInt16.random(in: 0..<0x800))
            } else if last.counter < 0xfff {
                last.counter += 1
            } else {
                last = (last.milliseconds + 1, 0)
            }
            return last
        }
        var bytes = [UInt8](repeating: 0, count: 16)
        for index in 0..<6 { bytes[index] = UInt8(truncatingIfNeeded: milliseconds >> UInt64(40 - 8 * index)) }
        bytes[6] = 0x70 | UInt8(counter >> 8)
        bytes[7] = UInt8(truncatingIfNeeded: counter)
        // One call: each asks the kernel.
        var random = UInt64.random(in: 0...(.max))
        for index in 8..<16 {
            bytes[index] = UInt8(truncatingIfNeeded: random)
            random >>= 8
        }
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
