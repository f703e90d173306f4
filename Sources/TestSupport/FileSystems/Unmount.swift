private import Glibc

/// Unmounts, once nobody works there any more: what a program does in the background may hold it busy for a moment.
package func unmount(_ path: String) async throws {
    try await eventually("\(path) can be unmounted", within: .seconds(30)) { umount2(path, 0) == 0 }
}
