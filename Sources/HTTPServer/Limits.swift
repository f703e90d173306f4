/// Bounds on what one client may use up.
package struct Limits: Sendable {
    /// Request line and headers.
    package var headerBytes = 32 << 10
    package var bodyBytes = 1 << 20
    /// Of all requests under way together.
    package var bodyBytesInAll = 64 << 20
    /// Of all answers that clients are slow to read together; beyond it the slowest have to go.
    package var unreadBytesInAll = 64 << 20
    /// How much of a refused body is read and dropped, so that the client, still sending, gets to see the answer.
    package var drainedBytes = 8 << 20
    /// From a request's first byte to its last. (libmicrohttpd knows only idleness: a byte now and then outlives that.)
    package var requestTimeout: Duration = .seconds(10)
    /// How long a connection may lie idle between requests, in whole seconds.
    package var idleTimeout: Duration = .seconds(60)
    package var connections = 4096
    /// From three quarters of `connections` on, who has kept us waiting for so long, longest first, has to go.
    package var crowdedTimeout: Duration = .seconds(1)

    /// How long a handler goes on after its client has sent the end of its stream.
    package var departureGrace: Duration = .seconds(1)

    package init() {}

    var crowd: Int { connections * 3 / 4 }

    var bodyRefusal: Refusal { Refusal(status: 413, detail: "the body is larger than \(bodyBytes) bytes") }
}
