import JSON
import RuntimeCore

/// A store that answers PromQL, such as VictoriaMetrics (`WVS_METRICS_URL`).
final class MetricsClient {
    struct Sample {
        let labels: [String: String]
        let value: Double
    }

    let baseURL: String
    private let http: HTTPClient

    init(baseURL: String) throws(CommandError) {
        self.baseURL = baseURL
        http = try HTTPClient()
    }

    /// An instant query; samples that are no number (a ratio of nothing to nothing) are left out.
    func query(_ expression: String) throws(CommandError) -> [Sample] {
        let url = "\(baseURL)/api/v1/query?query=\(pathSegment(expression))"
        let response: HTTPClient.Response
        do {
            response = try http.send("GET", url, headers: [:], body: nil, timeout: .seconds(15))
        } catch {
            throw CommandError(
                .unreachable, "the metrics store at \(baseURL) cannot be reached",
                hint: "is it running? its address is --metrics-url, WVS_METRICS_URL or the context's metrics-url")
        }
        do {
            let answer = try JSONValue(parsing: response.body)
            guard answer["status"]?.string == "success", let result = answer["data"]?["result"]?.array else {
                throw CommandError(
                    .failed, "\(baseURL) refused the query: \(answer.cell("error") ?? "HTTP \(response.status)")",
                    hint: "another address, if no metrics store is there: --metrics-url, WVS_METRICS_URL or the "
                        + "context's metrics-url")
            }
            return result.compactMap(Self.sample)
        } catch let error as CommandError {
            throw error
        } catch {
            throw CommandError(
                .failed, "\(baseURL) answered \(response.status) with no JSON: is that a metrics store?")
        }
    }

    /// `{"metric": {…}, "value": [time, "text"]}`.
    private static func sample(_ json: JSONValue) -> Sample? {
        guard let pair = json["value"]?.array, pair.count == 2, let value = pair[1].string.flatMap(Double.init),
            value.isFinite
        else { return nil }
        var labels: [String: String] = [:]
        for (name, label) in json["metric"]?.object ?? [:] { labels[name] = label.string }
        return Sample(labels: labels, value: value)
    }
}
