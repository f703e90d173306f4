private import Glibc

/// Owns the C structs of one message while it is packed.
final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { blocks.forEach { free($0) } }

    /// A C string; what follows a NUL in `text` is lost, protobuf-c cannot carry it.
    func string(_ text: String) -> UnsafeMutablePointer<CChar> {
        guard let copy = strdup(text) else { fatalError("out of memory") }
        blocks.append(copy)
        return copy
    }

    /// A struct set up by its generated `init` function and then by `fill`.
    func message<Raw>(
        _ initialize: (UnsafeMutablePointer<Raw>?) -> Void, _ fill: (inout Raw) -> Void
    ) -> UnsafeMutablePointer<Raw> {
        let message: UnsafeMutablePointer<Raw> = allocate(1)
        initialize(message)
        fill(&message.pointee)
        return message
    }

    /// A repeated message field.
    func array<Raw>(_ messages: [UnsafeMutablePointer<Raw>]) -> UnsafeMutablePointer<UnsafeMutablePointer<Raw>?> {
        let array: UnsafeMutablePointer<UnsafeMutablePointer<Raw>?> = allocate(messages.count)
        for (index, message) in messages.enumerated() { (array + index).initialize(to: message) }
        return array
    }

    /// A repeated number field.
    func numbers<Number>(_ numbers: [Number]) -> UnsafeMutablePointer<Number> {
        let array: UnsafeMutablePointer<Number> = allocate(numbers.count)
        for (index, number) in numbers.enumerated() { (array + index).initialize(to: number) }
        return array
    }

    private func allocate<Element>(_ count: Int) -> UnsafeMutablePointer<Element> {
        guard let block = calloc(max(count, 1), MemoryLayout<Element>.stride) else { fatalError("out of memory") }
        blocks.append(block)
        return block.bindMemory(to: Element.self, capacity: count)
    }
}
