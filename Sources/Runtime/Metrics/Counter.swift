private import RuntimeCore

/// A count that only grows.
package final class Counter: Metric {
    let name: MetricName
    let help: String
    let type = "counter"
    let labels: [MetricLabel]
    private let state: Mutex<LabeledSamples<Double>>

    init(_ name: MetricName, _ help: String, labels: [MetricLabel]) {
        self.name = name
        self.help = help
        self.labels = labels
        state = Mutex(LabeledSamples(labels: labels, initial: 0))
    }

    /// - Parameters:
    ///   - amount: not negative.
    ///   - labels: a value for each label, in the order in which the labels were declared.
    package func add(_ amount: Double = 1, _ labels: String...) {
        precondition(amount >= 0, "a counter only grows")
        state.withLock { $0.update(labels) { $0 += amount } }
    }

    func renderSamples(to text: inout String) {
        state.withLock { $0.forEach { text.appendSample(name.rawValue, $0, $1) } }
    }
}
