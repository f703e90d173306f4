private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// What a sidecar costs while nothing happens, and how long it takes when something does.
@Suite struct FootprintTests {
    @Test("On a local file system an idle sidecar wakes up once in 5 s, its guardian never, and both are small")
    func idles() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        // The handshake first, so that what follows is its idling after work.
        #expect(try workspace.freeze().resume().isHeld)
        let guardian = try #require(try Sandbox.guardian(of: sandbox.sidecar.pid))
        // Until it has seen that all is over.
        #expect(await eventually { ProcessState.of(sandbox.sidecar.pid) == "S" })
        try await Task.sleep(for: .milliseconds(200))
        let pids = [sandbox.sidecar.pid, guardian]
        let began = MonotonicTime.now
        let before = pids.map { Status.field("voluntary_ctxt_switches", of: $0) ?? 0 }
        // That nothing happens cannot be waited for but by the clock.
        try await Task.sleep(for: .seconds(6))
        let after = pids.map { Status.field("voluntary_ctxt_switches", of: $0) ?? .max }
        let allowed = (MonotonicTime.now - began).wholeMilliseconds / 5000 + 1
        #expect((1...allowed).contains(Int64(after[0] - before[0])))
        #expect(after[1] == before[1])
        let resident = pids.map { Status.field("VmRSS", of: $0) ?? 0 }
        print("resident in kB: sidecar \(resident[0]), guardian \(resident[1])")
        #expect(resident[0] < 16 * 1024)
    }

    @Test("Twenty handshakes in a row are all held; their times are printed")
    func handshakes() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        var handshakes: [Double] = []
        var freezes: [Double] = []
        for _ in 0..<20 {
            let start = MonotonicTime.now
            let freeze = try workspace.freeze()
            handshakes.append((MonotonicTime.now - start).milliseconds)
            freezes.append(freeze.acknowledgements.values.first?.freezeMilliseconds ?? 0)
            #expect(try freeze.resume().isHeld)
        }
        handshakes.sort()
        freezes.sort()
        print("handshake in ms: median \(handshakes[10]), least \(handshakes[0]); freeze: median \(freezes[10])")
        withExtendedLifetime(sandbox) {}
    }
}

/// Lines of `/proc/<pid>/status`.
private enum Status {
    static func field(_ name: String, of pid: CInt) -> Int? {
        let file = open("/proc/\(pid)/status", O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        where line.hasPrefix(name + ":") {
            return Int(line.dropFirst(name.count + 1).filter(\.isNumber))
        }
        return nil
    }
}
