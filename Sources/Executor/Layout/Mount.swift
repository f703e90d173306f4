import RuntimeCore

/// The folder of all workspaces, and the volume that belongs there.
///
/// A file system that is not mounted leaves an empty folder, in which nothing may ever be made. So a volume carries a name of its
/// own, and every operation holds it against the volume that was taken, on the very descriptor with which it then works.
final class Mount: Sendable {
    let path: String
    private let setting: VolumeSetting
    /// Of the volume's name.
    private let owner: Ownership
    private let taken = Mutex<Volume?>(nil)

    init(path: String, setting: VolumeSetting, owner: Ownership = .own) {
        self.path = path
        self.setting = setting
        self.owner = owner
    }

    /// Opens it for work. Throws `WrongVolume` where it is not the mount that was taken.
    func open() throws -> Directory {
        guard let taken = taken.withLock({ $0 }) else { throw WrongVolume(path: path, reason: "is not in use yet") }
        let directory = try Directory(path: path)
        guard try Volume.name(in: directory) == taken.name else {
            throw WrongVolume(path: path, reason: "is no longer volume \(taken.name)")
        }
        guard try Volume.Place(of: directory) == taken.place else {
            throw WrongVolume(path: path, reason: "has been mounted anew")
        }
        return directory
    }

    /// Looks what is there, and works with it from now on. Gives a volume without a name one, the first time.
    ///
    /// Throws `WrongVolume` where the setting asks for something else, or something else was taken before.
    @discardableResult
    func take() throws -> Volume {
        let directory = try Directory(path: path)
        let place = try Volume.Place(of: directory)
        if setting == .mount, !place.isMountRoot {
            throw WrongVolume(path: path, reason: "is no mount point, and EXECUTOR_VOLUME asks for one")
        }
        let present = try Volume.name(in: directory)
        if setting == .auto, !place.isMountRoot, present == nil {
            throw WrongVolume(
                path: path,
                reason: "is no mount point and has no \(Volume.marker), as where a file system is not mounted; "
                    + "to work in a plain folder set EXECUTOR_VOLUME=any")
        }
        let before = taken.withLock { $0?.name }
        if let wanted = setting.name ?? before, present != wanted {
            let found = present.map { "is volume \($0)" } ?? "has no \(Volume.marker)"
            let why = setting.name == nil ? "was \(wanted)" : "EXECUTOR_VOLUME asks for \(wanted)"
            throw WrongVolume(path: path, reason: "\(found), and \(why)")
        }
        let name = try present ?? Volume.give(directory, owner: owner)
        let volume = Volume(name: name, place: place)
        taken.withLock { $0 = volume }
        return volume
    }
}

/// What is at the mount path is not what the executor works with.
struct WrongVolume: Error, Equatable, CustomStringConvertible {
    let path: String
    let reason: String

    var description: String { "\(path) \(reason)" }
}
