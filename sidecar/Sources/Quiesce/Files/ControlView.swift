package import RuntimeCore

/// What a workspace's `.wvs` says, for people and probes; looking changes nothing.
package struct ControlView: Sendable {
    /// A sidecar that has registered.
    package struct Sidecar: Equatable, Sendable {
        package let id: String
        /// False where it ended without a farewell: its lock is free.
        package let isLiving: Bool
        /// Nil where its text is not understood.
        package let registration: Registration?
    }

    package let reading: Reading
    package let sidecars: [Sidecar]

    /// - Parameter controlDirectory: the workspace's `.wvs`.
    package init(controlDirectory: CInt) throws(SystemError) {
        let control = ControlDirectory(descriptor: controlDirectory)
        reading = ControlFile(directory: control).read()
        sidecars = try RegistrationFolder(control: control).entries().map {
            Sidecar(id: $0.id, isLiving: $0.isLiving, registration: $0.registration)
        }
    }
}
