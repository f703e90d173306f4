/// How long to wait before the next attempt to connect: doubling from 50 ms to 2 s, with a fifth of it left to chance so that
/// the programs do not all return at once.
struct ReconnectBackoff {
    private var failures = 0

    mutating func next() -> Duration {
        failures += 1
        let milliseconds = min(50 << min(failures - 1, 6), 2000)
        return .milliseconds(Int.random(in: milliseconds * 4 / 5...milliseconds))
    }

    mutating func reset() { failures = 0 }
}
