import ExecutorProto
private import Glibc

/// Bytes that are no message of executor.proto, or one that lacks what it must have.
struct WireError: Error, Equatable, CustomStringConvertible {
    /// The field as executor.proto names it, or the message where all of it is meant.
    let field: String
    let reason: String

    var description: String { "\(field): \(reason)" }
}

/// A Swift value and the C struct that protobuf-c generated for it.
protocol WireMessage {
    associatedtype Raw
    /// Copies out of `raw`, which stays the caller's.
    init(_ raw: Raw) throws(WireError)
    /// Builds the C struct; it lives as long as the arena.
    func raw(in arena: Arena) -> UnsafeMutablePointer<Raw>
}

/// A message that travels alone.
protocol WireRoot: WireMessage {
    static var name: String { get }
    static var codec: WireCodec<Raw> { get }
}

/// The functions that protoc-c generates for each message.
struct WireCodec<Raw> {
    let unpack: (UnsafeMutablePointer<ProtobufCAllocator>?, Int, UnsafePointer<UInt8>?) -> UnsafeMutablePointer<Raw>?
    let free: (UnsafeMutablePointer<Raw>?, UnsafeMutablePointer<ProtobufCAllocator>?) -> Void
    let packedSize: (UnsafePointer<Raw>?) -> Int
    let pack: (UnsafePointer<Raw>?, UnsafeMutablePointer<UInt8>?) -> Int
}

extension WireRoot {
    init(decoding bytes: [UInt8]) throws(WireError) {
        guard let raw = bytes.withUnsafeBufferPointer({ Self.codec.unpack(nil, $0.count, $0.baseAddress) }) else {
            throw WireError(field: Self.name, reason: "not a protobuf message of this type")
        }
        defer { Self.codec.free(raw, nil) }
        try self.init(raw.pointee)
    }

    func encoded() -> [UInt8] {
        let arena = Arena()
        let raw = raw(in: arena)
        return [UInt8](unsafeUninitializedCapacity: Self.codec.packedSize(raw)) { buffer, count in
            count = Self.codec.pack(raw, buffer.baseAddress)
        }
    }
}

/// Reads a string field. protobuf-c does not check UTF-8, though proto3 demands it.
func text(_ pointer: UnsafeMutablePointer<CChar>?, _ field: String) throws(WireError) -> String {
    guard let pointer else { return "" }
    guard let text = String(validatingCString: pointer) else { throw WireError(field: field, reason: "not UTF-8") }
    return text
}

/// Reads a string field that must not be empty.
func required(_ pointer: UnsafeMutablePointer<CChar>?, _ field: String) throws(WireError) -> String {
    let text = try text(pointer, field)
    if text.isEmpty { throw WireError(field: field, reason: "missing") }
    return text
}

/// Reads a message field that must be there.
func required<Message: WireMessage>(
    _ pointer: UnsafeMutablePointer<Message.Raw>?, _ field: String, as type: Message.Type = Message.self
) throws(WireError) -> Message {
    guard let pointer else { throw WireError(field: field, reason: "missing") }
    return try Message(pointer.pointee)
}
