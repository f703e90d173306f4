private import CShims
private import Glibc
import RuntimeCore

/// Looks after all connections beside libmicrohttpd, on a thread of its own: notices clients that leave while their request
/// is being worked on (a suspended connection is not polled), requests that take too long to arrive, and crowds.
final class ConnectionWatch: Sendable {
    private struct State {
        var connections: [UInt64: Connection] = [:]
        var lastID: UInt64 = 0
        var isStopped = false
        var refuse: @Sendable (Connection) -> Void = { _ in }
    }

    private let state = Mutex(State())
    private let epoll: FileDescriptor
    private let limits: Limits
    /// How late a deadline may be noticed.
    private let interval: Duration

    init(limits: Limits) throws(SystemError) {
        self.limits = limits
        interval = min(.milliseconds(250), limits.requestTimeout / 4)
        epoll = FileDescriptor(owning: try systemCall("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) })
    }

    /// Starts the thread, which ends within one interval of `stop`.
    ///
    /// - Parameter refuse: answers a client whose request does not arrive.
    func start(refuse: @escaping @Sendable (Connection) -> Void) throws(SystemError) {
        state.withLock { $0.refuse = refuse }
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, runConnectionWatch, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw SystemError("pthread_create", errno: code)
        }
        pthread_detach(thread)
    }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.refuse = { _ in }
        }
    }

    func add(socket: CInt, peer: String) -> Connection {
        let connection = state.withLock { state in
            state.lastID += 1
            let connection = Connection(id: state.lastID, socket: socket, peer: peer)
            state.connections[connection.id] = connection
            return connection
        }
        // The id, not the descriptor: that may have been given to another connection when the event is read.
        var event = epoll_event()
        event.events = EPOLLRDHUP.rawValue | EPOLLET.rawValue
        event.data.u64 = connection.id
        // Can fail only for want of memory; then a client's leaving goes unnoticed, and nothing else.
        epoll_ctl(epoll.raw, EPOLL_CTL_ADD, socket, &event)
        return connection
    }

    func remove(_ connection: Connection) { state.withLock { _ = $0.connections.removeValue(forKey: connection.id) } }

    fileprivate func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var nextSweep = MonotonicTime.now + interval
        while !state.withLock({ $0.isStopped }) {
            let wait = CInt(nextSweep.remaining.wholeMilliseconds) + 1
            let count = max(0, Int(epoll_wait(epoll.raw, &events, CInt(events.count), wait)))
            for event in events.prefix(count) {
                let id = event.data.u64
                state.withLock({ $0.connections[id] })?.peerLeft()
            }
            if nextSweep.remaining == .zero {
                sweep()
                nextSweep = .now + interval
            }
        }
    }

    private func sweep() {
        let (connections, refuse) = state.withLock { (Array($0.connections.values), $0.refuse) }
        let now = MonotonicTime.now
        for connection in connections { connection.cancelIfDeparted(at: now, grace: limits.departureGrace) }
        let waiting = connections.compactMap { connection in
            connection.waiting(at: now).map { Waiting(connection: connection, wait: $0.wait, time: $0.time) }
        }
        for client in waiting where client.wait == .withinRequest && client.time > limits.requestTimeout {
            refuse(client.connection)
        }
        let excess = connections.count - limits.crowd
        let unread = waiting.reduce(0) { $0 + $1.unread } - limits.unreadBytesInAll
        guard excess > 0 || unread > 0 else { return }
        let slowest = waiting.filter { $0.time > limits.crowdedTimeout }.sorted { $0.time > $1.time }
        if excess > 0 { slowest.prefix(excess).forEach { $0.end(refuse) } }
        var surplus = unread
        for client in slowest where client.unread > 0 && surplus > 0 {
            client.end(refuse)
            surplus -= client.unread
        }
    }

    /// A client that keeps us waiting. Where connections or memory run short, the slowest make room for others.
    private struct Waiting {
        let connection: Connection
        let wait: Connection.Wait
        let time: Duration

        var unread: Int { if case .withinAnswer(let bytes) = wait { bytes } else { 0 } }

        func end(_ refuse: (Connection) -> Void) {
            if wait == .withinRequest { refuse(connection) } else { connection.cut() }
        }
    }
}

private func runConnectionWatch(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let raw else { return nil }
    let watch = Unmanaged<ConnectionWatch>.fromOpaque(raw).takeRetainedValue()
    wvs_set_thread_name("http-watch")
    watch.run()
    return nil
}
