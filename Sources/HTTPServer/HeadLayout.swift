/// Whether what libmicrohttpd read is all that a request's head says.
///
/// It works with C strings: behind a NUL in a target or a header there may be more, which it passes over and another parser reads. A
/// line that begins with a colon ends the head for it, and a folded line loses its value. All of that shows in its buffer: what it
/// recognised lies there in order, separated by the NULs that it put in place of spaces, colons and line ends.
struct HeadLayout {
    private let end: UnsafeRawPointer
    private var position: UnsafeRawPointer
    private(set) var isSound = true

    /// - Parameters:
    ///   - method: where the buffer begins.
    ///   - size: of request line and headers, with the empty line.
    ///   - target: of which the length is known from before libmicrohttpd decoded it.
    init(
        method: UnsafePointer<CChar>, target: UnsafePointer<CChar>, targetLength: Int, version: UnsafePointer<CChar>,
        size: Int
    ) {
        end = UnsafeRawPointer(method) + size
        position = UnsafeRawPointer(method)
        take(method, length(method), after: 0)
        take(target, targetLength, after: 1)
        take(version, length(version), after: 1)
    }

    /// The next header, in the order in which they came.
    mutating func take(name: UnsafePointer<CChar>?, _ nameLength: Int, value: UnsafePointer<CChar>?, _ valueLength: Int)
    {
        // The line end before it: CR and LF, or LF alone.
        take(name, nameLength, after: 1...2)
        guard let value, isSound else { return }
        // Behind the colon there may be blanks.
        position += 1
        while position < end, [0x20, 0x09].contains(position.load(as: UInt8.self)) { position += 1 }
        take(value, valueLength, after: 0)
    }

    /// Behind the last header: its line end, and the empty line.
    mutating func finish() { skip(to: end, 2...4) }

    private mutating func take(_ start: UnsafePointer<CChar>?, _ length: Int, after nuls: Int) {
        take(start, length, after: nuls...nuls)
    }

    private mutating func take(_ start: UnsafePointer<CChar>?, _ length: Int, after nuls: ClosedRange<Int>) {
        guard let start else { return isSound = false }
        skip(to: UnsafeRawPointer(start), nuls)
        if isSound { position += length }
    }

    /// Only so many NULs may stand between `position` and `next`.
    private mutating func skip(to next: UnsafeRawPointer, _ nuls: ClosedRange<Int>) {
        guard isSound, position <= next, next <= end, nuls.contains(next - position),
            UnsafeRawBufferPointer(start: position, count: next - position).allSatisfy({ $0 == 0 })
        else { return isSound = false }
        position = next
    }

    private func length(_ text: UnsafePointer<CChar>) -> Int {
        var length = 0
        while text[length] != 0 { length += 1 }
        return length
    }
}
