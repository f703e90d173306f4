import RuntimeCore
import TestSupport
import Testing

/// Thousands of histories of the task engine's own decisions in virtual time. A failing seed is printed; to see its history:
///
///     WVS_SIMULATION_SEED=4711 scripts/test.sh --filter SimulationTests
///
/// `WVS_SIMULATION_SEEDS` is the number of seeds (default 2000), `WVS_SIMULATION_FLAW` breaks a decision on purpose.
@Suite struct SimulationTests {
    private static let environment = Process.environment

    private static var flaw: Flaw? { environment["WVS_SIMULATION_FLAW"].flatMap(Flaw.init) }

    @Test func `whatever befalls workers, executors and the database, every invariant holds`() async throws {
        if let seed = Self.environment["WVS_SIMULATION_SEED"].flatMap(UInt64.init) {
            let simulation = Simulation(seed: seed, flaw: Self.flaw, isLogging: true)
            simulation.run()
            print(simulation.log.joined(separator: "\n"))
            #expect(simulation.violation == nil)
            return
        }
        let count = Self.environment["WVS_SIMULATION_SEEDS"].flatMap(UInt64.init) ?? 2000
        let found = await Self.firstViolation(in: 0..<count, flaw: Self.flaw)
        if let found { Issue.record("WVS_SIMULATION_SEED=\(found.seed): \(found.violation)") }
    }

    @Test(arguments: Flaw.allCases)
    func `a broken decision is found`(_ flaw: Flaw) async throws {
        let found = await Self.firstViolation(in: 0..<600, flaw: flaw)
        print("\(flaw.rawValue): \(found.map { "seed \($0.seed): \($0.violation)" } ?? "not found")")
        #expect(found != nil)
    }

    @Test func `a seed makes the same history every time`() {
        let logs = (0..<2).map { _ in
            let simulation = Simulation(seed: 7, isLogging: true)
            simulation.run()
            return simulation.log
        }
        #expect(logs[0] == logs[1])
        #expect(logs[0].count > 20)
    }

    private static func firstViolation(
        in seeds: Range<UInt64>, flaw: Flaw?
    ) async -> (seed: UInt64, violation: String)? {
        await withTaskGroup(of: (seed: UInt64, violation: String)?.self) { group in
            let found = Mutex(false)
            for part in 0..<UInt64(4) {
                group.addTask {
                    var steps = 0
                    for seed in seeds where seed % 4 == part && !found.withLock({ $0 }) {
                        let simulation = Simulation(seed: seed, flaw: flaw)
                        simulation.run()
                        steps += simulation.steps
                        if let violation = simulation.violation {
                            found.withLock { $0 = true }
                            return (seed, violation)
                        }
                        await Task.yield()
                    }
                    return nil
                }
            }
            return await group.reduce(nil) { best, next in
                guard let best else { return next }
                return next.map { $0.seed < best.seed ? $0 : best } ?? best
            }
        }
    }
}
