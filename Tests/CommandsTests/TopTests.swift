import JSON
import Testing

@testable import Commands

/// The model and what is drawn of it, without a terminal and without a server.
@Suite struct TopTests {
    private func model() -> TopModel {
        var model = TopModel()
        model.receive(sight)
        return model
    }

    private var sight: TopSight {
        var sight = TopSight()
        sight.server = "http://127.0.0.1:8080"
        sight.workspaces = ["ws-b", "ws-a"].map { ["wsid": .string($0), "state": "ACTIVE", "owner": "me"] }
        sight.snapshotsOf = "ws-b"
        sight.snapshots = [
            ["snapshot_id": "s-2", "message": "new"], ["snapshot_id": "s-1", "message": "\u{1b}[2Jold"],
        ]
        sight.tasks = [
            [
                "task_id": "t-1", "wsid": "ws-b", "op": "snapshot_create", "status": "SUCCEEDED",
                "result": ["receipt": ["window_ms": .number(12.34)]],
            ]
        ]
        return sight
    }

    @Test func nothingIsDestroyedWithoutAYes() {
        for key in ["c", "d", "x"] {
            var model = model()
            #expect(model.press(.character(Character(key))) == nil)
            #expect(model.press(.enter) == nil, "\(key), then enter, is no yes")
            #expect(model.mode == .browsing && model.notice == "not done")
        }
        var model = model()
        _ = model.press(.character("d"))
        #expect(model.press(.character("y")) == .perform(.drop(wsid: "ws-b", snapshot: "s-2")))
    }

    @Test func aRowStaysSelectedWhenOthersCome() {
        var model = model()
        #expect(model.workspace == "ws-b")
        _ = model.press(.down)
        #expect(model.workspace == "ws-a")
        #expect(model.snapshots.isEmpty, "those that are known are another workspace's")
        var later = sight
        later.workspaces.insert(["wsid": "ws-c"], at: 0)
        model.receive(later)
        #expect(model.workspace == "ws-a")
        later.workspaces.removeLast()
        model.receive(later)
        #expect(model.workspace == "ws-c", "its row is gone")
        for key: TopModel.Key in [.end, .pageDown, .down, .home, .pageUp, .up] { _ = model.press(key) }
        #expect(model.workspace == "ws-c")
    }

    @Test func aMessageIsAskedForAndMayBeEmpty() {
        var model = model()
        _ = model.press(.character("s"))
        for character in "hü" { _ = model.press(.character(character)) }
        _ = model.press(.backspace)
        #expect(model.press(.enter) == .perform(.snapshot(wsid: "ws-b", message: "h")))
        _ = model.press(.character("s"))
        #expect(model.press(.enter) == .perform(.snapshot(wsid: "ws-b", message: "")))
        _ = model.press(.character("s"))
        #expect(model.press(.escape) == nil && model.notice == "not done")
    }

    @Test func theFilterHidesOtherWorkspacesAndTheirTasks() {
        var model = model()
        for key: TopModel.Key in [.character("/"), .character("-"), .character("a"), .enter] { _ = model.press(key) }
        #expect(model.ids(.workspaces) == ["ws-a"] && model.ids(.tasks).isEmpty)
        _ = model.press(.escape)
        #expect(model.ids(.workspaces).count == 2)
    }

    @Test(arguments: [(80, 24), (40, 12), (200, 60), (20, 5), (1, 1)])
    func everyLineFitsTheTerminal(width: Int, height: Int) {
        var model = model()
        for keys: [TopModel.Key] in [[], [.tab, .enter], [.character("?")], [.character("q"), .character("d")]] {
            for key in keys { _ = model.press(key) }
            let lines = TopScreen(model: model, width: width, height: height).lines
            #expect(lines.count <= height)
            for line in lines { #expect(columns(line.map(\.text).joined()) <= width) }
            #expect(!lines.joined().contains { $0.text.contains("\u{1b}") }, "text from elsewhere steers no terminal")
        }
    }

    @Test(arguments: [80, 40]) func aQuestionShowsThatItIsOne(width: Int) {
        var sight = sight
        sight.snapshots = [["snapshot_id": "01a229d1-24c4-7630-a9ab-a0a1ea98a66e"]]
        var model = TopModel()
        model.receive(sight)
        _ = model.press(.character("d"))
        let question = TopScreen(model: model, width: width, height: 24).lines.last?.map(\.text).joined() ?? ""
        #expect(question.contains("y/N") && question.contains("drop snapshot 01a229d1"), "\(question)")
        #expect(question.hasSuffix("y/N") == (width == 80))
    }

    @Test func theScreenSaysWhatTheServerSaid() {
        let text = TopScreen(model: model(), width: 80, height: 24).lines.map { $0.map(\.text).joined() }
        #expect(text[0].contains("2 workspaces"))
        #expect(text[1].contains("12.3 ms"))
        #expect(text.contains { $0.contains("▸WORKSPACES 2") } && text.contains { $0.contains("SNAPSHOTS OF ws-b 2") })
        var broken = TopSight()
        broken.problem = "http://127.0.0.1:1: no answer"
        var model = TopModel()
        model.receive(broken)
        #expect(TopScreen(model: model, width: 80, height: 24).lines[0].contains { $0.text.contains("no answer") })
    }

    @Test func aSparklineReachesItsTopAtTheLargestValue() {
        #expect(sparkline([0, 5, 10]) == "▁▅█")
        #expect(sparkline([0, 0]) == "▁▁")
        #expect(sparkline([]) == "")
    }
}
