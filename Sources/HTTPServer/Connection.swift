private import CShims
private import Glibc
import RuntimeCore

/// A client's connection, from accept to close.
final class Connection: Sendable {
    private enum Phase {
        /// Between requests. `bytes` is what the client had sent when the watch last looked; nil until it has.
        case idle(bytes: UInt64?)
        case receiving(since: MonotonicTime)
        case responding
    }

    private struct State {
        var phase = Phase.idle(bytes: 0)
        var target = ""
        var exchange: Exchange?
        var peerHasLeft = false
        var isClosed = false
    }

    let id: UInt64
    private let socket: CInt
    /// The client's address without its port.
    let peer: String
    private let state = Mutex(State())

    init(id: UInt64, socket: CInt, peer: String) {
        self.id = id
        self.socket = socket
        self.peer = peer
    }

    /// The target of the request whose headers are being read, as it was sent.
    var target: String {
        get { state.withLock { $0.target } }
        set { state.withLock { $0.target = newValue } }
    }

    func begin(_ exchange: Exchange) {
        state.withLock { state in
            state.exchange = exchange
            if case .idle = state.phase { state.phase = .receiving(since: .now) }
        }
    }

    /// The request has come in whole, or what is missing of it will not be read.
    func beginResponding() {
        let departed = state.withLock { state in
            state.phase = .responding
            return state.peerHasLeft ? state.exchange : nil
        }
        departed?.cancel()
    }

    func end() {
        state.withLock { state in
            state.exchange = nil
            state.phase = .idle(bytes: nil)
        }
    }

    /// The client sends no more: what is being done for it is cancelled, as in Go's net/http.
    func peerLeft() {
        let exchange = state.withLock { state in
            state.peerHasLeft = true
            return state.exchange
        }
        exchange?.cancel()
    }

    /// Whether a request began to arrive longer ago than `timeout`. To be asked again and again: the beginning is noticed
    /// by asking.
    func isOverdue(timeout: Duration) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            switch state.phase {
            case .responding: return false
            case .receiving(let since): return MonotonicTime.now - since > timeout
            case .idle(let before):
                let bytes = wvs_tcp_bytes_received(socket)
                state.phase = before.map { $0 != bytes } ?? false ? .receiving(since: .now) : .idle(bytes: bytes)
                return false
            }
        }
    }

    /// Says so, and cuts the connection.
    func refuseOverdue() {
        let answer = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        state.withLock { state in
            guard !state.isClosed else { return }
            // Whether the client still reads is its own affair.
            _ = answer.withCString { send(socket, $0, strlen($0), CInt(MSG_DONTWAIT | MSG_NOSIGNAL)) }
            Glibc.shutdown(socket, CInt(SHUT_RDWR))
        }
    }

    /// Ends both directions; libmicrohttpd, which waits to read or write, notices.
    func cut() {
        state.withLock { state in
            if !state.isClosed { Glibc.shutdown(socket, CInt(SHUT_RDWR)) }
        }
    }

    /// The socket is about to be closed: from here on its number may be another's.
    func close() { state.withLock { $0.isClosed = true } }
}
