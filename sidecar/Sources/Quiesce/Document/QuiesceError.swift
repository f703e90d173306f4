package import RuntimeCore

/// Why nothing may be published.
package enum QuiesceError: Error, Equatable, CustomStringConvertible {
    /// Not every sidecar acknowledged: none came, or one died, or one said in `errors` that it can not.
    ///
    /// - everAttached: whether any sidecar was ever seen at this workspace.
    /// - missing: the expected sidecars without an acknowledgement.
    /// - errors: what sidecars said, by sidecar.
    case timeout(everAttached: Bool, missing: [String], errors: [String: String])
    /// It was frozen, but is not proved to have stayed so. Retry.
    case broken(String)
    /// The acknowledgements are worth less than the settings ask for.
    case refused(String)
    case canceled
    case io(SystemError)

    package var description: String {
        switch self {
        case .timeout(let everAttached, let missing, let errors):
            if !everAttached { return "no sidecar has ever attached to this workspace" }
            if missing.isEmpty { return "no sidecar is attached to this workspace now" }
            let silent = missing.sorted().map { id in errors[id].map { "\(id): \($0)" } ?? "\(id): no answer" }
            return "not every sidecar acknowledged: " + silent.joined(separator: "; ")
        case .broken(let reason), .refused(let reason): return reason
        case .canceled: return "canceled"
        case .io(let error): return error.description
        }
    }
}
