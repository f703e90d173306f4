import RuntimeCore

extension FreezeCoordinator {
    /// How those sidecars mean to freeze that a request would wait for if it were made now.
    package func attachedMethods() throws(QuiesceError) -> [FreezeMethod] {
        let living = try input { () throws(SystemError) in try registrations.entries() }.filter(\.isLiving)
        let others = living.filter { !$0.isNode }
        // What is not understood proves nothing.
        return (others.isEmpty ? living : others).map { $0.registration?.method ?? .none }
    }
}
