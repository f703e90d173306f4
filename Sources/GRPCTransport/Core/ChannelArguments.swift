import CGRPC
private import Glibc
private import RuntimeCore

/// Settings of a channel or server, by the names in grpc_types.h.
struct ChannelArguments {
    private var integers: [(name: String, value: CInt)] = []

    mutating func set(_ name: String, _ value: Int) { integers.append((name, CInt(clamping: value))) }

    /// In milliseconds.
    mutating func set(_ name: String, _ duration: Duration) { set(name, Int(duration.wholeMilliseconds)) }

    mutating func set(_ keepalive: GRPCKeepalive) {
        set(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive.interval)
        set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive.timeout)
        set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1)
        // By default the C core stops asking after two pings without data between them: a clone is silent for longer.
        set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0)
    }

    mutating func set(maxMessageBytes: Int) {
        set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, maxMessageBytes)
        set(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, maxMessageBytes)
    }

    /// The C form, good during `body`.
    func withRaw<Result>(_ body: (UnsafePointer<grpc_channel_args>) -> Result) -> Result {
        var elements = integers.map { name, value in
            var element = grpc_arg()
            element.type = GRPC_ARG_INTEGER
            element.key = strdup(name)
            element.value.integer = value
            return element
        }
        defer { elements.forEach { free($0.key) } }
        return elements.withUnsafeMutableBufferPointer { buffer in
            var arguments = grpc_channel_args(num_args: buffer.count, args: buffer.baseAddress)
            return body(&arguments)
        }
    }
}
