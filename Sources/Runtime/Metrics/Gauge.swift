private import RuntimeCore

/// A value that goes up and down.
package final class Gauge: Metric {
    let name: MetricName
    let help: String
    let type = "gauge"
    let labels: [MetricLabel]
    private let state: Mutex<LabeledSamples<Double>>

    init(_ name: MetricName, _ help: String, labels: [MetricLabel]) {
        self.name = name
        self.help = help
        self.labels = labels
        state = Mutex(LabeledSamples(labels: labels, initial: 0))
    }

    package func set(_ value: Double, _ labels: String...) { state.withLock { $0.update(labels) { $0 = value } } }

    package func add(_ amount: Double, _ labels: String...) { state.withLock { $0.update(labels) { $0 += amount } } }

    func renderSamples(to text: inout String) {
        state.withLock { $0.forEach { text.appendSample(name.rawValue, $0, $1) } }
    }
}
