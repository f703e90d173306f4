import ExecutorRPC
import Quiesce

/// A receipt as manifests and results hold it: the same members as in executor.proto.
struct ReceiptRecord: Codable, Equatable, Sendable {
    struct Acknowledgement: Codable, Equatable, Sendable {
        let sidecarID: String
        let nonce: String
        let method: String
        let consistency: String
        let processes: UInt32
        let threads: UInt32
        let flushedFiles: UInt32
        let freezeMilliseconds: Double
        let flushMilliseconds: Double
        let frozenAt: String
        let held: Bool
        /// Nil in records of before.
        let oldTree: [UInt32]?

        enum CodingKeys: String, CodingKey {
            case nonce, method, consistency, processes, threads, held
            case sidecarID = "sidecar_id"
            case flushedFiles = "flushed_files"
            case freezeMilliseconds = "freeze_ms"
            case flushMilliseconds = "flush_ms"
            case frozenAt = "frozen_at"
            case oldTree = "old_tree"
        }
    }

    let acknowledgements: [Acknowledgement]
    let consistency: String
    let windowMilliseconds: Double

    enum CodingKeys: String, CodingKey {
        case acknowledgements, consistency
        case windowMilliseconds = "window_ms"
    }

    init(_ receipt: Quiesce.Receipt) {
        acknowledgements = receipt.acknowledgements.sorted { $0.key < $1.key }.map { id, acknowledgement in
            Acknowledgement(
                sidecarID: id, nonce: acknowledgement.nonce, method: acknowledgement.method.rawValue,
                consistency: acknowledgement.consistency.rawValue,
                processes: UInt32(clamping: acknowledgement.processes),
                threads: UInt32(clamping: acknowledgement.threads),
                flushedFiles: UInt32(clamping: acknowledgement.flushedFiles),
                freezeMilliseconds: acknowledgement.freezeMilliseconds,
                flushMilliseconds: acknowledgement.flushMilliseconds, frozenAt: acknowledgement.frozenAt.description,
                held: acknowledgement.held ?? false, oldTree: acknowledgement.oldTree.map(UInt32.init(clamping:)))
        }
        consistency = receipt.consistency.rawValue
        windowMilliseconds = receipt.window.milliseconds
    }

    /// As the wire carries it.
    var message: ExecutorRPC.Receipt {
        ExecutorRPC.Receipt(
            acknowledgements: acknowledgements.map {
                ExecutorRPC.Acknowledgement(
                    sidecarID: $0.sidecarID, nonce: $0.nonce, method: $0.method, consistency: $0.consistency,
                    processes: $0.processes, threads: $0.threads, flushedFiles: $0.flushedFiles,
                    freezeMilliseconds: $0.freezeMilliseconds, flushMilliseconds: $0.flushMilliseconds,
                    frozenAt: $0.frozenAt, held: $0.held, oldTree: $0.oldTree ?? [])
            }, consistency: consistency, windowMilliseconds: windowMilliseconds)
    }
}
