import JSON
import Testing

@Suite struct JSONValueTests {
    @Test func everyValueReadsBackFromItsText() throws {
        let value: JSONValue = [
            "text": "a\"\\\n\u{1}\u{8}ü\u{1F600}", "list": [1, nil, true, []], "object": ["x": .number(1.5)],
            "big": .integer(.max),
        ]
        #expect(try JSONValue(parsing: value.text) == value)
    }

    @Test(arguments: [
        "{\"a\":1,\"a\":2}", "{\"a\":1} x", "", "[1,]", "\"\\u0000\"", "\"\\ud800\"", "{'a':1}", "NaN",
        "99999999999999999999", "1e999",
    ])
    func whatIsNotStrictJSONIsRefused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
    }

    @Test func whatIsSaidOfANULIsForTheSenderOfTheText() {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: #"{"a":"\u0000"}"#) }
        #expect(error?.message.hasPrefix(#"invalid JSON at line 1, column 13: \u0000 is not allowed near"#) == true)
    }

    @Test func aDuplicateMemberIsNamed() {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: "{\"wsid\":1,\"wsid\":2}") }
        #expect(error?.message.contains("wsid") == true)
    }

    @Test func nestingBeyondTheBoundIsRefused() throws {
        let deep = { (levels: Int) in String(repeating: "[", count: levels) + String(repeating: "]", count: levels) }
        _ = try JSONValue(parsing: deep(64))
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: deep(65)) }
        #expect(error?.message.contains("more than 64 levels") == true)
        #expect(throws: JSONError.self) { try JSONValue(parsing: deep(100_000)) }
    }

    /// The sorting example of RFC 8785, section 3.2.3: by UTF-16 code units, not by scalars.
    @Test func canonicalMembersAreSortedByUTF16() throws {
        let value = try JSONValue(
            parsing: """
                {"\\u20ac":"Euro","\\r":"CR","\\ufb33":"Dalet","1":"One","\\ud83d\\ude00":"Smiley","\\u0080":"Control",
                "\\u00f6":"O umlaut"}
                """)
        #expect(
            value.canonical == "{\"\\r\":\"CR\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"O umlaut\","
                + "\"€\":\"Euro\",\"😀\":\"Smiley\",\"\u{fb33}\":\"Dalet\"}")
    }

    /// Samples of RFC 8785, appendix B.
    @Test(
        arguments: [
            (0x0000_0000_0000_0000, "0"), (0x8000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"), (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"), (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"), (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"), (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"), (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"), (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        ] as [(UInt64, String)])
    func canonicalNumbersAreThoseOfECMAScript(bits: UInt64, text: String) {
        #expect(JSONValue.number(Double(bitPattern: bits)).canonical == text)
    }

    @Test func anIntegerAndTheSameNumberAsARealAreOneInCanonicalForm() throws {
        #expect(try JSONValue(parsing: "[1.0,1,1e0]").canonical == "[1,1,1]")
    }
}
