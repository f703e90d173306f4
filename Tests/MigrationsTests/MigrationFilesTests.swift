import Migrations
import RuntimeCore
import Testing

@Suite struct MigrationFilesTests {
    @Test func filesAreReadByTheirNumbersAndOthersLeftAlone() async throws {
        let files = [
            "10_ten.up.sql": "ten", "000009_nine.up.sql": "nine", "000009_nine.down.sql": "not nine",
            "README.md": "text", "11.up.sql": "no name", "x_12.up.sql": "no number", "12_twelve.sql": "no direction",
        ]
        let migrations = try await withFolder(files) { try Migration.load(from: $0) }
        #expect(
            migrations == [
                Migration(version: 9, name: "nine", up: "nine", down: "not nine"),
                Migration(version: 10, name: "ten", up: "ten", down: nil),
            ])
    }

    @Test(arguments: [
        ["1_one.up.sql": "", "01_one.up.sql": ""], ["1_one.up.sql": "", "1_other.down.sql": ""],
        ["1_one.down.sql": ""],
    ])
    func filesThatContradictEachOtherAreRefused(files: [String: String]) async {
        await #expect(throws: MigrationError.self) { try await withFolder(files) { try Migration.load(from: $0) } }
    }

    @Test func aMissingFolderIsNamed() {
        let missing = SystemError("open", "/nonexistent", errno: 2)
        #expect(throws: missing) { try Migration.load(from: "/nonexistent") }
    }
}
