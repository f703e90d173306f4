import RuntimeCore

/// The engine for the mount: the first candidate that works there, tried once, when it is first needed.
final class EngineProvider: Sendable {
    private let candidates: [any CloneEngine]
    private let logger: Logger
    private let chosen = Mutex<(any CloneEngine)?>(nil)

    /// - Parameter candidates: best first.
    init(candidates: [any CloneEngine], logger: Logger) {
        self.candidates = candidates
        self.logger = logger
    }

    /// Throws why none of the candidates works.
    func engine(for folder: Directory) throws -> any CloneEngine {
        try chosen.withLock { chosen in
            if let chosen { return chosen }
            var reasons: [String] = []
            for candidate in candidates {
                do {
                    try candidate.probe(mount: folder.raw)
                    logger.info("engine chosen", [.engine: .text(candidate.name)])
                    chosen = candidate
                    return candidate
                } catch {
                    reasons.append("\(candidate.name): \(error)")
                }
            }
            throw NoEngine(reasons: reasons)
        }
    }
}

/// No engine works on the mount.
struct NoEngine: Error, CustomStringConvertible {
    let reasons: [String]

    var description: String { "no engine works here: " + reasons.joined(separator: "; ") }
}
