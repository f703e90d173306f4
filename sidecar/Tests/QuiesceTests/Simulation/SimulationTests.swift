import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// Executors and sidecars as they are, in a world where any step may come between any two others.
@Suite struct SimulationTests {
    /// `WVS_SIMULATIONS=100000` for a long run, `WVS_SIMULATION_SEED=N` to see one again.
    private static let environment = Process.environment
    private static let count = environment["WVS_SIMULATIONS"].flatMap { Int($0) } ?? 600
    private static let seed = environment["WVS_SIMULATION_SEED"].flatMap { UInt64($0) }

    private struct Totals {
        var freezes = 0
        var published = 0
        var broken = 0
        var timeouts = 0
    }

    @Test func `nothing torn is publishable and no agent outlasts its lease, whatever crashes, stops or gets lost`() {
        var totals = Totals()
        let seeds = Self.seed.map { [$0] } ?? (1...UInt64(Self.count)).map { $0 }
        for seed in seeds {
            let world = SimulatedWorld(seed: seed) { SimulatedWorld.Faults(using: &$0) }
            run(world, &totals)
            guard world.violations.isEmpty else {
                Issue.record("seed \(seed), \(world.faults): \(world.violations.joined(separator: "; "))")
                return
            }
        }
        print("simulation: \(seeds.count) runs, \(totals)")
        // A protocol that never publishes is safe too.
        #expect(Self.seed != nil || totals.published > seeds.count / 4)
    }

    @Test func `without faults every freeze is publishable`() {
        var totals = Totals()
        for seed in 1...UInt64(300) {
            let world = SimulatedWorld(seed: seed) { _ in SimulatedWorld.Faults() }
            run(world, &totals)
            #expect(world.violations.isEmpty, "seed \(seed)")
        }
        #expect(totals.published == totals.freezes)
    }

    private func run(_ world: SimulatedWorld, _ totals: inout Totals) {
        for index in 1...Int.random(in: 1...3, using: &world.generator) { addSandbox(world, index) }
        var epoch: UInt64 = 0
        var release: SimulatedWriter?
        for _ in 0..<16_000 {
            if world.executors.allSatisfy({ $0.outcome != nil }) || (world.faults.executorsOverlap && world.chance(900))
            {
                if epoch == 4 { break }
                // An executor that starts again releases what it had frozen, at the same time as it takes new work.
                if epoch > 0, world.faults.executorsCrash || world.faults.executorsOverlap, world.chance(2) {
                    release = SimulatedWriter { FreezeCoordinator.released($0, executorID: "executor") }
                }
                epoch += 1
                let target = world.chance(3) ? "live/\(epoch)" : nil
                world.executors.append(SimulatedExecutor(epoch: epoch, target: target, world: world))
            }
            disturb(world)
            if let writer = release, world.chance(3), writer.step(world) { release = nil }
            stepSomebody(world)
            world.advance(by: .microseconds(Int.random(in: 0...900, using: &world.generator)))
        }
        settle(world)
        count(world, &totals)
    }

    private func stepSomebody(_ world: SimulatedWorld) {
        let chosen = Int.random(in: 0..<(world.executors.count + world.sandboxes.count), using: &world.generator)
        if chosen < world.executors.count {
            world.executors[chosen].step(world)
        } else {
            world.sandboxes[chosen - world.executors.count].sidecar?.step(world)
        }
    }

    private func disturb(_ world: SimulatedWorld) {
        if world.faults.sidecarsCrash {
            for sandbox in world.sandboxes {
                if sandbox.sidecar == nil {
                    if world.chance(200) { sandbox.start(world) }
                } else if world.chance(1200) {
                    sandbox.crash(world)
                }
            }
            if world.sandboxes.count < 3, world.chance(600) { addSandbox(world, world.sandboxes.count + 1) }
        }
        if world.faults.executorsCrash, world.chance(800) {
            world.executors.randomElement(using: &world.generator).map { if $0.outcome == nil { $0.crash(world) } }
        }
        if world.faults.processesStop, world.chance(400) {
            let until = world.now + .milliseconds(Int.random(in: 1...700, using: &world.generator))
            if world.chance(3) {
                world.executors.randomElement(using: &world.generator)?.isStoppedUntil = until
            } else {
                world.sandboxes.randomElement(using: &world.generator)?.sidecar?.isStoppedUntil = until
            }
        }
    }

    private func addSandbox(_ world: SimulatedWorld, _ index: Int) {
        let sandbox = SimulatedSandbox(name: "box\(index)")
        world.sandboxes.append(sandbox)
        sandbox.start(world)
    }

    /// Every executor is gone. A sidecar that was stopped may yet obey the last request, once, for one lease.
    private func settle(_ world: SimulatedWorld) {
        for executor in world.executors where executor.outcome == nil { executor.crash(world) }
        let end = world.now + .milliseconds(700) + SimulatedExecutor.lease * 2
        while world.now <= end {
            for sandbox in world.sandboxes where world.chance(2) { sandbox.sidecar?.step(world) }
            world.advance(by: .microseconds(500))
        }
        for sandbox in world.sandboxes where sandbox.isFrozen {
            world.violations.append("\(sandbox.name) is still frozen at the end")
        }
    }

    private func count(_ world: SimulatedWorld, _ totals: inout Totals) {
        for executor in world.executors {
            totals.freezes += 1
            switch executor.outcome {
            case .published: totals.published += 1
            case .failed(.timeout): totals.timeouts += 1
            case .failed(.broken): totals.broken += 1
            default: break
            }
        }
    }
}
