/// What the sidecars proved about one freeze: goes into the snapshot's manifest and the task's result.
package struct Receipt: Equatable, Sendable {
    /// By sidecar.
    package var acknowledgements: [String: Acknowledgement]
    /// What sidecars had to say, by sidecar: for example that the new `current` was not seen before the lease ended.
    package var errors: [String: String]
    /// Sidecars that had died without farewell: their agents may have run on.
    package var departed: [String]
    /// How long an agent stood still at most: from the first freezing action to hearing of the last thaw.
    package var window: Duration

    package init(
        acknowledgements: [String: Acknowledgement], errors: [String: String] = [:], departed: [String] = [],
        window: Duration = .zero
    ) {
        self.acknowledgements = acknowledgements
        self.errors = errors
        self.departed = departed
        self.window = window
    }

    /// Every agent stood still from before the first read until the resume.
    package var isHeld: Bool {
        !acknowledgements.isEmpty && acknowledgements.values.allSatisfy { $0.held == true }
    }

    /// `quiesced` only where each acknowledgement is, and nobody may have been left out.
    package var consistency: Consistency {
        departed.isEmpty
            && acknowledgements.values.allSatisfy { $0.consistency == .quiesced && $0.method.mayBeQuiesced }
            ? .quiesced : .bestEffort
    }
}
