import CGRPC

extension GRPCMetadata {
    /// Copies what a call has received; the array and its elements stay with whom they belong to.
    mutating func append(contentsOf array: grpc_metadata_array) {
        for index in 0..<array.count {
            let element = array.metadata[index]
            guard grpc_is_binary_header(element.key) == 0 else { continue }
            append(text(of: element.key), text(of: element.value))
        }
    }
}

/// Metadata in the form in which it is sent; must live until the batch that sends it has completed.
final class SentMetadata: @unchecked Sendable {
    // Unchecked: written once, here, then only read by the C core.
    let elements: UnsafeMutableBufferPointer<grpc_metadata>

    /// None.
    init() { elements = .allocate(capacity: 0) }

    /// Throws INVALID_ARGUMENT for what must not go over the wire.
    init(_ metadata: GRPCMetadata) throws(GRPCError) {
        elements = .allocate(capacity: metadata.entries.count)
        elements.initialize(repeating: grpc_metadata())
        for (index, entry) in metadata.entries.enumerated() {
            elements[index].key = makeSlice(entry.name)
            elements[index].value = makeSlice(entry.value)
        }
        for element in elements
        where grpc_header_key_is_legal(element.key) == 0 || grpc_header_nonbin_value_is_legal(element.value) == 0
            || grpc_is_binary_header(element.key) != 0
        {
            throw GRPCError(.invalidArgument, "metadata \(text(of: element.key)) cannot be sent")
        }
    }

    deinit {
        for element in elements {
            grpc_slice_unref(element.key)
            grpc_slice_unref(element.value)
        }
        elements.deallocate()
    }
}
