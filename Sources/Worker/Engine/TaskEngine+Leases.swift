import RuntimeCore
import Store

extension TaskEngine {
    /// Renews all leases in one statement, every third of their length and whenever PostgreSQL may have been away.
    func keepLeases() async {
        let period = options.lease / 3
        var pause = period
        while !Task.isCancelled {
            await renewLeases.sleep(atMost: pause)
            let asked = held.ownerships
            guard !asked.isEmpty else { continue }
            let askedAt = MonotonicTime.now
            do {
                let renewed = try await ledger.renew(asked)
                held.renew(renewed, of: asked, askedAt: askedAt)
                pause = period
            } catch {
                if Task.isCancelled { return }
                logger.warn("leases not renewed", [.error: LogValue(error)])
                pause = min(.milliseconds(250), period / 4)
            }
        }
    }

    /// A worker that could not renew cancels its calls before the lease ends.
    func watchLeases() async {
        let margin = LeaseBook(lease: options.lease).margin
        while !Task.isCancelled {
            let expired = held.expire(at: .now)
            if expired > 0 { logger.error("leases about to end, letting go", [.count: .integer(Int64(expired))]) }
            let pause = min(held.nextDeadline?.remaining ?? margin, margin)
            // Cancelled: the loop ends.
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }
}
