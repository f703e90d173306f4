import CGRPC

/// Copies a message out of a byte buffer of one or many slices, decompressing it if need be; nil if that fails.
func bytes(of buffer: UnsafeMutablePointer<grpc_byte_buffer>) -> [UInt8]? {
    var reader = grpc_byte_buffer_reader()
    guard grpc_byte_buffer_reader_init(&reader, buffer) != 0 else { return nil }
    defer { grpc_byte_buffer_reader_destroy(&reader) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(grpc_byte_buffer_length(buffer))
    var slice = grpc_slice()
    while grpc_byte_buffer_reader_next(&reader, &slice) != 0 {
        withBytes(of: slice) { bytes.append(contentsOf: $0) }
        grpc_slice_unref(slice)
    }
    return bytes
}

/// Copies a message into a byte buffer; the caller destroys it.
func makeByteBuffer(_ bytes: [UInt8]) -> UnsafeMutablePointer<grpc_byte_buffer>? {
    var slice = bytes.withUnsafeBytes { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
    defer { grpc_slice_unref(slice) }
    return grpc_raw_byte_buffer_create(&slice, 1)
}

/// Copies text into a slice; the caller unrefs it.
func makeSlice(_ text: String) -> grpc_slice { grpc_slice_from_copied_string(text) }

/// The text of a slice that stays the caller's.
func text(of slice: grpc_slice) -> String { withBytes(of: slice) { String(decoding: $0, as: UTF8.self) } }

private func withBytes<Result>(of slice: grpc_slice, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    // A short slice carries its bytes inside itself: the pointer is good only while this copy stays in place.
    withUnsafePointer(to: slice) {
        body(UnsafeBufferPointer(start: wvs_slice_bytes($0), count: wvs_slice_length($0)))
    }
}
