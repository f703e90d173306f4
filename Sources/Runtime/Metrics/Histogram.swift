private import RuntimeCore

/// How often values fell into each range.
package final class Histogram: Metric {
    private struct Sample {
        var counts: [UInt64]
        var sum = 0.0
        var count: UInt64 = 0
    }

    let name: MetricName
    let help: String
    let type = "histogram"
    let labels: [MetricLabel]
    let buckets: [Double]
    private let state: Mutex<LabeledSamples<Sample>>

    init(_ name: MetricName, _ help: String, labels: [MetricLabel], buckets: [Double]) {
        precondition(zip(buckets, buckets.dropFirst()).allSatisfy(<), "buckets ascend")
        self.name = name
        self.help = help
        self.labels = labels
        self.buckets = buckets
        let empty = Sample(counts: [UInt64](repeating: 0, count: buckets.count))
        state = Mutex(LabeledSamples(labels: labels, initial: empty))
    }

    /// - Parameter labels: a value for each label, in the order in which the labels were declared.
    package func observe(_ value: Double, _ labels: String...) { observe(value, labels) }

    /// Observes a duration in seconds.
    package func observe(_ duration: Duration, _ labels: String...) { observe(duration.seconds, labels) }

    private func observe(_ value: Double, _ labels: [String]) {
        state.withLock { samples in
            samples.update(labels) { sample in
                if let index = buckets.firstIndex(where: { value <= $0 }) { sample.counts[index] += 1 }
                sample.sum += value
                sample.count += 1
            }
        }
    }

    func renderSamples(to text: inout String) {
        state.withLock { samples in
            samples.forEach { labels, sample in
                let separator = labels.isEmpty ? "" : ","
                var total: UInt64 = 0
                for (bound, count) in zip(buckets, sample.counts) {
                    total += count
                    text.appendSample(
                        "\(name.rawValue)_bucket", "\(labels)\(separator)le=\"\(metricNumber(bound))\"", Double(total))
                }
                text.appendSample("\(name.rawValue)_bucket", "\(labels)\(separator)le=\"+Inf\"", Double(sample.count))
                text.appendSample("\(name.rawValue)_sum", labels, sample.sum)
                text.appendSample("\(name.rawValue)_count", labels, Double(sample.count))
            }
        }
    }
}
