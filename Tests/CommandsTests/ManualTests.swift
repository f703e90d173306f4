import Foundation
import Testing

@testable import Commands

@Suite struct ManualTests {
    /// The manual without its markup.
    private func manual() throws -> String {
        let path = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../docs/wvsctl.1").standardized.path
        return try String(contentsOfFile: path, encoding: .utf8).replacing("\\-", with: "-").replacing("\"", with: "")
    }

    @Test func itNamesEveryCommandAndEveryOption() throws {
        let text = try manual()
        for command in Command.all {
            #expect(text.contains(command.name), "\(command.name) is missing")
            for option in command.options + Option.common {
                #expect(text.contains(option.name), "\(command.name) \(option.name) is missing")
            }
        }
    }

    @Test func itNamesNoOptionThatThereIsNot() throws {
        let known = Set(Command.all.flatMap { $0.options + Option.common }.map(\.name))
        let words = try manual().split { !($0.isLetter || $0 == "-") }.map(String.init)
        for word in words where word.hasPrefix("--") && word != "--" {
            #expect(known.contains(word), "\(word) is no option")
        }
    }

    @Test func itSaysWhatEachExitStatusMeans() throws {
        let text = try manual()
        for status in 0...8 { #expect(text.contains(".B \(status)\n"), "\(status)") }
    }
}
