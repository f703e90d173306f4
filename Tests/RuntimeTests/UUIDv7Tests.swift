import Runtime
import Testing

@Suite struct UUIDv7Tests {
    @Test func idsAreValidAscendingAndUnique() {
        let ids = (0..<20_000).map { _ in UUIDv7.make() }
        #expect(ids.allSatisfy(UUIDv7.isValid))
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == ids.count)
    }

    @Test(arguments: [
        "", "0197a5b2-7c1e-4d4f-8a90-1b2c3d4e5f60", "0197A5B2-7c1e-7d4f-8a90-1b2c3d4e5f60",
        "0197a5b2-7c1e-7d4f-ca90-1b2c3d4e5f60", "0197a5b27c1e7d4f8a901b2c3d4e5f60",
        "0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f6/", "../0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f",
    ])
    func whatIsNoUUIDv7IsRefused(text: String) { #expect(!UUIDv7.isValid(text)) }
}
