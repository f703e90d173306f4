import RuntimeCore

/// Which executor serves a workspace: rendezvous hashing, so that adding one moves few workspaces (design 5).
struct Routing {
    /// An executor that could not be reached is passed over for this long.
    private static let pause = Duration.seconds(2)

    let addresses: [String]
    private var downUntil: [String: MonotonicTime] = [:]

    init(addresses: [String]) { self.addresses = addresses }

    /// All executors, best first; those that were down a moment ago come last.
    func order(for wsid: String, at now: MonotonicTime) -> [String] {
        let ranked = addresses.map { (address: $0, score: Routing.score($0, wsid)) }
            .sorted { ($0.score, $0.address) > ($1.score, $1.address) }.map(\.address)
        let isDown = { (address: String) in (downUntil[address] ?? now) > now }
        return ranked.filter { !isDown($0) } + ranked.filter(isDown)
    }

    mutating func markDown(_ address: String, at now: MonotonicTime) { downUntil[address] = now + Routing.pause }

    mutating func markUp(_ address: String) { downUntil[address] = nil }

    /// FNV-1a over both names, then the finaliser of SplitMix64: equal in every process, unlike `Hasher`.
    private static func score(_ address: String, _ wsid: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in Array(address.utf8) + [0] + Array(wsid.utf8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        return hash ^ (hash >> 31)
    }
}
