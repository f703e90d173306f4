import Foundation
import RuntimeCore
import Testing

@testable import Quiesce

/// Texts of `control.json`: what is read, what is refused, what is written.
@Suite struct DocumentTests {
    private static let vectors = URL(filePath: #filePath).appending(path: "../../Vectors").standardized
    private static let names =
        (try? FileManager.default.contentsOfDirectory(atPath: vectors.path))?.sorted() ?? []

    @Test(arguments: names) func `a published test vector is read as its name says`(name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: Self.vectors.appending(path: name)))
        let document = try? ControlDocument(parsing: bytes)
        #expect((document != nil) == name.hasPrefix("valid-"))
        if let document { #expect(document.encoded() == bytes, "and written exactly as it was") }
    }

    @Test func `there are vectors of both kinds`() {
        #expect(Self.names.filter { $0.hasPrefix("valid-") }.count == 6)
        #expect(Self.names.filter { $0.hasPrefix("invalid-") }.count == 14)
    }

    /// With everything as long as it may be.
    private var largest: ControlDocument {
        let ids = (0..<ControlDocument.maximumSidecars).map { String(repeating: "x", count: 47) + String($0) }
        let text = String(repeating: "é\"", count: 200)
        let acknowledgement = Acknowledgement(
            nonce: String(repeating: "f", count: 16), method: .cgroup2, consistency: .bestEffort,
            processes: Int(Int32.max), threads: Int(Int32.max), flushedFiles: Int(Int32.max),
            freezeMicroseconds: 60_000_000, flushMicroseconds: 60_000_000, frozenAt: .now, held: false,
            oldTree: Array(repeating: 4_194_304, count: Acknowledgement.oldTreeLimit))
        return ControlDocument(
            sequence: .max, state: .requestResume, epoch: .max, taskID: String(repeating: "t", count: 64),
            requestID: String(repeating: "r", count: 64),
            leaseMilliseconds: 60_000, leaseSequence: .max, executor: String(repeating: "e", count: 64), expects: ids,
            acknowledgements: Dictionary(uniqueKeysWithValues: ids.map { ($0, acknowledgement) }),
            expectCurrent: "live/" + String(repeating: "a", count: 36),
            errors: Dictionary(uniqueKeysWithValues: ids.map { ($0, ControlDocument.errorText(text)) }))
    }

    @Test func `the largest document fits into one write and comes back as it was`() throws {
        let largest = largest
        let bytes = try #require(largest.encoded())
        #expect(bytes.count == 4096)
        #expect(try ControlDocument(parsing: bytes) == largest)
    }

    @Test func `what the reader would refuse is never written`() {
        var document = ControlDocument()
        document.expects = (0...ControlDocument.maximumSidecars).map(String.init)
        #expect(document.encoded() == nil)
        #expect(ControlDocument(taskID: String(repeating: "t", count: 65)).encoded() == nil)
        #expect(ControlDocument(expectCurrent: "/etc").encoded() == nil)
    }

    @Test func `a document torn anywhere between two writes is refused, or is one of the two`() throws {
        let before = try #require(ControlDocument(sequence: 9, state: .frozen, epoch: 3, taskID: "before").encoded())
        let after = try #require(
            ControlDocument(sequence: 10, state: .requestResume, epoch: 3, taskID: "after, longer", expects: ["one"])
                .encoded())
        for cut in 0...before.count {
            for torn in [Array(after[..<cut] + before[cut...]), Array(before[..<cut] + after[cut...])] {
                let document = try? ControlDocument(parsing: torn)
                #expect(document == nil || torn == before || torn == after, "torn at \(cut)")
            }
        }
    }

    @Test func `no changed byte makes a reader crash`() throws {
        let bytes = try #require(largest.encoded())
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<3000 {
            var broken = bytes
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                broken[Int.random(in: 0..<broken.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            _ = try? ControlDocument(parsing: broken)
        }
    }

    @Test(arguments: [
        "[1,]", "{\"a\":1,}", "{\"a\" 1}", "[01]", "[1.]", "[1e]", "[-]", "[+1]", "\"\u{1}\"", "\"\\x\"", "\"\\u12\"",
        "\"\\udc00\"", "\"\\ud800\\u0041\"", "nul", "[1] 2", "{\"a\":1,\"a\":2}", "[[[[[[[[[[1]]]]]]]]]]", "'a'", "[1",
        "\"a", "NaN",
    ]) func `text that is not strict JSON is refused`(text: String) {
        #expect(throws: Malformed.self) { try JSONReader.parse(Array(text.utf8)) }
    }

    @Test func `escapes, surrogate pairs and numbers of 64 bits are read`() throws {
        let text = #"{"a":"\u00e9\ud83d\ude00\n\/","b":[18446744073709551615,-1.5e3,true,false,null]}"#
        let expected = JSONNode.object([
            ("a", .string("é😀\n/")),
            (
                "b",
                .array([.number("18446744073709551615"), .number("-1.5e3"), .bool(true), .bool(false), .null])
            ),
        ])
        #expect(try JSONReader.parse(Array(text.utf8)) == expected)
    }
}
