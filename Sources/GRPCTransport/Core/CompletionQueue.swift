import CGRPC
private import CShims
private import Glibc
import RuntimeCore

/// A completion queue and the thread that waits on it.
///
/// The thread drives all sockets of the queue's channels or server, and runs the completions: they must be short. It lives
/// until `shutdown()` has been called and every operation that was started has completed.
final class CompletionQueue: @unchecked Sendable {
    // Unchecked: the C core's queues may be used from any thread.
    let raw: OpaquePointer
    private let library = Library()
    // The C core orders what is done before an operation is started and what is done when it has completed, but by means
    // that ThreadSanitizer cannot see. Passing through this lock on both sides shows it.
    private let order = Mutex(0)

    /// - Parameter threadName: at most 15 bytes, as seen in `ps -L` and `/proc`.
    init(threadName: String) throws(SystemError) {
        raw = grpc_completion_queue_create_for_next(nil)
        let context = Unmanaged.passRetained(ThreadContext(queue: self, name: threadName))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, runCompletionQueue, context.toOpaque())
        guard code == 0 else {
            context.release()
            grpc_completion_queue_shutdown(raw)
            throw SystemError("pthread_create", threadName, errno: code)
        }
        pthread_detach(thread)
    }

    deinit { grpc_completion_queue_destroy(raw) }

    /// No operation may be started after this.
    func shutdown() { grpc_completion_queue_shutdown(raw) }

    /// A tag for an operation that is to be started next. `body` runs on the queue's thread when it has completed, once,
    /// and is told whether it succeeded.
    func tag(_ body: @escaping @Sendable (Bool) -> Void) -> UnsafeMutableRawPointer {
        let completion = Completion(body)
        order.withLock { _ in }
        return Unmanaged.passRetained(completion).toOpaque()
    }

    /// Takes back the tag of an operation that could not be started, or has completed.
    @discardableResult
    func take(_ tag: UnsafeMutableRawPointer?) -> Completion? {
        tag.map { Unmanaged<Completion>.fromOpaque($0).takeRetainedValue() }
    }

    fileprivate func run() {
        while true {
            let event = grpc_completion_queue_next(raw, gpr_inf_future(GPR_CLOCK_MONOTONIC), nil)
            switch event.type {
            case GRPC_OP_COMPLETE:
                order.withLock { _ in }
                take(event.tag)?.body(event.success != 0)
            case GRPC_QUEUE_SHUTDOWN: return
            default: continue
            }
        }
    }
}

/// What is done when an operation has completed.
final class Completion: Sendable {
    let body: @Sendable (Bool) -> Void

    init(_ body: @escaping @Sendable (Bool) -> Void) { self.body = body }
}

private final class ThreadContext {
    let queue: CompletionQueue
    let name: String

    init(queue: CompletionQueue, name: String) {
        self.queue = queue
        self.name = name
    }
}

private func runCompletionQueue(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let raw else { return nil }
    let context = Unmanaged<ThreadContext>.fromOpaque(raw).takeRetainedValue()
    wvs_set_thread_name(context.name)
    context.queue.run()
    return nil
}
