import Testing

@testable import Executor

@Suite struct NamesTests {
    @Test(arguments: ["abc", "a-b", "0aa", "a--b", String(repeating: "x", count: 63)])
    func aWorkspaceIDOfTheDesignIsAccepted(text: String) { #expect(Names.isWorkspaceID(text)) }

    @Test(arguments: [
        "", "ab", "-ab", "ab-", "Abc", "a_b", "a.b", "a/b", "..", "äbc", "a\nb", ".staging",
        String(repeating: "x", count: 64),
    ])
    func anyOtherWorkspaceIDIsRefused(text: String) { #expect(!Names.isWorkspaceID(text)) }

    @Test(arguments: [
        StagedName.tree(id: Ids.snapshot, fence: 7), .record(id: Ids.snapshot, fence: 18_446_744_073_709_551_615),
        .link(fence: 1),
    ])
    func aStagedNameReadsBackAsItself(name: StagedName) { #expect(StagedName(name.text) == name) }

    @Test(arguments: [
        "current", ".current-", ".current-x", ".staging-abc", ".staging-abc-", ".staging-1", "x.staging-a-1", ".wvs",
        ".current--1",
    ])
    func aNameThatIsNotStagedIsNotTakenForOne(text: String) { #expect(StagedName(text) == nil) }

    @Test func whateverBeginsAsTrashIsTrash() { #expect(StagedName(".trash-\(Ids.live)-2") == .trash) }
}
