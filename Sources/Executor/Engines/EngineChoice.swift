/// `EXECUTOR_ENGINE`.
package enum EngineChoice: String, CaseIterable, Sendable {
    /// The first of the others that works on the file system.
    case auto
    case reflink
    case copy
}
