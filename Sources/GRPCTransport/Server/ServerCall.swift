import CGRPC
import RuntimeCore

/// A call on the server's side, from its arrival until its answer has been sent.
final class ServerCall: Sendable {
    private let call: Call
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ call: Call) { self.call = call }

    /// Runs the handler in a task of its own, which is cancelled when the caller has gone or the deadline has passed, and
    /// sends its answer. `ended` runs after that, once.
    func serve(
        _ request: GRPCRequest, _ kind: GRPCMethod.Kind, _ logger: Logger, _ ended: @escaping @Sendable () -> Void
    ) {
        let task = Task { [self] in
            switch kind {
            case .unary(let handler):
                let answer = await Self.outcome(logger) { try await handler(request) }
                send(AnswerBatch(answer), ended)
            case .serverStreaming(let handler):
                let sender = GRPCSender(call)
                let end = await Self.outcome(logger) { try await handler(request, sender) }
                send(AnswerBatch(endOfStream: end, hasBegun: sender.hasBegun), ended)
            }
        }
        self.task.withLock { $0 = task }
        watchClose()
    }

    /// Answers with an error and runs no handler.
    func refuse(_ error: GRPCError, _ ended: @escaping @Sendable () -> Void) {
        watchClose()
        send(AnswerBatch(.failure(error)), ended)
    }

    private static func outcome<Answer>(
        _ logger: Logger, _ handler: () async throws -> Answer
    ) async -> Result<Answer, GRPCError> {
        do {
            return .success(try await handler())
        } catch let error as GRPCError where error.status != .ok {
            return .failure(error)
        } catch is CancellationError {
            return .failure(GRPCError(.canceled, "canceled"))
        } catch {
            logger.error("handler failed", [.error: LogValue(error)])
            return .failure(GRPCError(.internal, String(describing: error)))
        }
    }

    /// Cancels the handler's task if the call ends before it is answered: cancelled by the caller, disconnected, late.
    private func watchClose() {
        let notice = CloseNotice()
        do {
            try call.start([notice.operation]) { _ in
                if notice.isCanceled { self.task.withLock { $0 }?.cancel() }
            }
        } catch {
            // The queue is shut down: nobody is there to be answered.
            task.withLock { $0 }?.cancel()
        }
    }

    private func send(_ batch: AnswerBatch, _ ended: @escaping @Sendable () -> Void) {
        do {
            try call.start(batch.operations) { _ in withExtendedLifetime(batch) { ended() } }
        } catch {
            call.cancel()
            ended()
        }
    }
}

/// What RECV_CLOSE_ON_SERVER answers.
private final class CloseNotice: @unchecked Sendable {
    // Unchecked: written by the C core before the operation completes, read after that.
    private let canceled = UnsafeMutablePointer<CInt>.allocate(capacity: 1)

    init() { canceled.initialize(to: 0) }

    deinit { canceled.deallocate() }

    var isCanceled: Bool { canceled.pointee != 0 }

    var operation: grpc_op {
        var operation = grpc_op(GRPC_OP_RECV_CLOSE_ON_SERVER)
        operation.data.recv_close_on_server.cancelled = canceled
        return operation
    }
}
