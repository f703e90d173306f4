import JSON
import Testing

@testable import Commands

@Suite struct YAMLTests {
    @Test func aDocumentIsInBlockStyleAndReadsBack() throws {
        let value: JSONValue = [
            "name": "ws-1", "count": 3, "ready": true, "none": nil, "list": ["a", ["b": "c"]], "empty": [:],
        ]
        #expect(
            YAML.text(value) == """
                name: ws-1
                count: 3
                ready: true
                none: null
                list:
                - a
                - b: c
                empty: {}
                """)
        #expect(try YAML.parse(YAML.text(value))["list"] == ["a", ["b": "c"]])
    }

    @Test(arguments: [
        "true", "007", "1e3", "-1", "null", "", "a: b", "# no comment", "ü\n\"quoted\"", "- x", "2026-11-20",
    ])
    func textStaysTextHoweverItLooks(text: String) throws {
        let written = YAML.text(["value": .string(text)])
        #expect(try YAML.parse(written)["value"] == .string(text))
        let plain = written.dropFirst("value: ".count)
        #expect(plain.hasPrefix("\"") || plain.hasPrefix("'"), "a YAML reader would guess: \(written)")
    }

    @Test(arguments: ["a: [", "\t- a", "a: b: c", "&x [*x]"])
    func whatIsNoYAMLIsRefused(text: String) {
        #expect(throws: YAML.Problem.self) { try YAML.parse(text) }
    }
}
