private import CShims
private import Glibc
import RuntimeCore

/// A client's connection, from accept to close.
final class Connection: Sendable {
    private enum Phase {
        case idle(since: MonotonicTime)
        case receiving(since: MonotonicTime)
        case responding(since: MonotonicTime)
        case sending(since: MonotonicTime, bytes: Int)
        /// What is still coming is not waited for; the last answer is on its way.
        case refused
    }

    private struct State {
        var phase = Phase.idle(since: .now)
        var target = ""
        var exchange: Exchange?
        /// Bytes of the requests that have ended. What the client has sent beyond them belongs to the next one, whether
        /// libmicrohttpd has looked at it or keeps it for later.
        var consumed: UInt64 = 0
        /// When the client said that it would send no more.
        var peerLeft: MonotonicTime?
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

    /// False where the connection has been given up.
    func begin(_ exchange: Exchange) -> Bool {
        state.withLock { state in
            switch state.phase {
            case .refused: return false
            case .idle: state.phase = .receiving(since: .now)
            case .receiving, .responding, .sending: break
            }
            state.exchange = exchange
            return true
        }
    }

    /// The request has come in whole, or what is missing of it will not be read.
    func beginResponding() {
        state.withLock { $0.phase = .responding(since: .now) }
    }

    /// - Parameter bytes: of the answer's body.
    func beginSending(bytes: Int) { state.withLock { $0.phase = .sending(since: .now, bytes: bytes) } }

    /// - Parameter size: bytes of the request, headers and body.
    func end(size: Int) {
        state.withLock { state in
            state.exchange = nil
            state.target = ""
            state.consumed += UInt64(size)
            if case .sending = state.phase { state.phase = .idle(since: .now) }
        }
    }

    /// The client sends no more. Most likely it is gone; but it may also have closed its half only, and wait for the answer.
    func peerLeft() { state.withLock { $0.peerLeft = .now } }

    /// Cancels what is being done for a client that left more than `grace` ago, as Go's net/http does at once.
    func cancelIfDeparted(at now: MonotonicTime, grace: Duration) {
        let exchange: Exchange? = state.withLock { state in
            guard case .responding(let since) = state.phase, let left = state.peerLeft else { return nil }
            return now - since > grace && now - left > grace ? state.exchange : nil
        }
        exchange?.cancel()
    }

    // MARK: Clients that keep us waiting

    /// How a client keeps us waiting.
    enum Wait: Equatable {
        case betweenRequests
        case withinRequest
        /// It does not read its answer, of so many bytes.
        case withinAnswer(bytes: Int)
    }

    /// For how long the client has kept us waiting, and how; nil while it waits for us. To be asked again and again: the beginning
    /// of a request is noticed by asking.
    func waiting(at now: MonotonicTime) -> (wait: Wait, time: Duration)? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            switch state.phase {
            case .responding, .refused: return nil
            case .sending(let since, let bytes): return (.withinAnswer(bytes: bytes), now - since)
            case .receiving(let since): return (.withinRequest, now - since)
            case .idle(let since):
                guard wvs_tcp_bytes_received(socket) > state.consumed else { return (.betweenRequests, now - since) }
                state.phase = .receiving(since: now)
                return (.withinRequest, .zero)
            }
        }
    }

    /// Gives up a request that is still arriving. Answers what is known of it, for the refusal that `conclude` sends; nil where it
    /// has arrived after all.
    func refuse() -> Request? {
        state.withLock { state in
            guard !state.isClosed, case .receiving = state.phase else { return nil }
            if let exchange = state.exchange, !exchange.abandon() { return nil }
            state.phase = .refused
            return state.exchange?.request ?? Request(method: "", target: state.target, peer: peer)
        }
    }

    /// Sends an answer beside libmicrohttpd, and ends the connection.
    func conclude(with answer: [UInt8]) {
        state.withLock { state in
            guard !state.isClosed else { return }
            // Whether the client still reads is its own affair.
            _ = answer.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT | MSG_NOSIGNAL)) }
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
