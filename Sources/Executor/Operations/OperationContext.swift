import Quiesce
import RuntimeCore

/// What the operations work with.
struct OperationContext: Sendable {
    let mount: Mount
    let settings: ExecutorSettings
    let engines: EngineProvider
    let trash: TrashCollector
    let metrics: ExecutorMetrics
}
