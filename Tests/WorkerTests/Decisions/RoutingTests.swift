import RuntimeCore
import Testing

@testable import Worker

@Suite struct RoutingTests {
    private let now = MonotonicTime(nanoseconds: 1)
    private let workspaces = (0..<3000).map { "workspace-\($0)" }

    @Test func `executors share the workspaces evenly`() {
        let routing = Routing(addresses: ["a:1", "b:1", "c:1"])
        var counts: [String: Int] = [:]
        for wsid in workspaces { counts[routing.order(for: wsid, at: now)[0], default: 0] += 1 }
        #expect(counts.count == 3)
        #expect(counts.values.allSatisfy { (850...1150).contains($0) })
    }

    @Test func `another executor takes its share, and nothing else moves`() {
        let before = Routing(addresses: ["a:1", "b:1", "c:1"])
        let after = Routing(addresses: ["d:1", "c:1", "b:1", "a:1"])
        var moved = 0
        for wsid in workspaces {
            let new = after.order(for: wsid, at: now)[0]
            if new != before.order(for: wsid, at: now)[0] {
                moved += 1
                #expect(new == "d:1")
            }
        }
        #expect((600...900).contains(moved))
    }

    @Test func `an executor that is down comes last for a while`() {
        var routing = Routing(addresses: ["a:1", "b:1", "c:1"])
        let order = routing.order(for: "ws-1", at: now)
        routing.markDown(order[0], at: now)
        #expect(routing.order(for: "ws-1", at: now) == [order[1], order[2], order[0]])
        #expect(routing.order(for: "ws-1", at: now + .seconds(3)) == order)
        routing.markDown(order[0], at: now)
        routing.markUp(order[0])
        #expect(routing.order(for: "ws-1", at: now) == order)
    }

    @Test func `places are the same in every process`() {
        #expect(Routing(addresses: ["a:1", "b:1"]).order(for: "ws-1", at: now) == ["b:1", "a:1"])
    }
}
