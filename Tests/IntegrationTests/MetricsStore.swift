import Foundation
import Glibc
import RuntimeCore
import TestSupport

/// Debian's VictoriaMetrics, and its vmagent with the shipped scrape configuration, for one stack.
final class MetricsStore {
    /// …/Tests/IntegrationTests/MetricsStore.swift
    private static let configuration = URL(fileURLWithPath: #filePath)
        .appendingPathComponent("../../../deploy/metrics/vmagent.yml").standardized.path

    private let address: SocketAddress
    private let folder: String
    private let store: ProgramProcess
    private var agent: ProgramProcess?

    var url: String { "http://\(address)" }

    /// Starts an empty store that shows at once what it is given.
    ///
    /// - Parameter folder: a new one, for what it stores.
    init(folder: String) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        self.folder = folder
        address = try SocketAddress.free()
        store = try ProgramProcess(
            "victoria-metrics", at: "/usr/bin/victoria-metrics",
            arguments: [
                "-storageDataPath=\(folder)/store", "-httpListenAddr=\(address)", "-search.latencyOffset=0s",
                "-memory.allowedBytes=64MiB",
            ])
        let (address, store) = (address, store)
        try await eventually("the metrics store answers", within: .seconds(60)) {
            // Another process may have been given the port in between.
            guard !store.hasEnded else { throw ProgramError(message: "no metrics store: \(store.tail)") }
            do { return try await HTTPExchange.send("GET", "/health", to: address).status == 200 } catch {
                return false
            }
        }
    }

    /// Has vmagent scrape a stack's programs every second.
    func scrape(_ stack: TestStack) async throws {
        var text = try String(contentsOfFile: MetricsStore.configuration, encoding: .utf8)
        for (target, program) in [
            ("wvs-api:9090", "wvs-api"), ("wvs-worker:9091", "wvs-worker"), ("executor:9092", "wvs-executor"),
        ] {
            guard text.contains("\"\(target)\"") else { throw ProgramError(message: "vmagent.yml has no \(target)") }
            text = text.replacing(target, with: try await stack.program(program).address("metrics").description)
        }
        text = text.replacing("scrape_interval: 15s", with: "scrape_interval: 1s")
        try text.write(toFile: folder + "/vmagent.yml", atomically: true, encoding: .utf8)
        agent = try ProgramProcess(
            "vmagent", at: "/usr/bin/vmagent",
            arguments: [
                "-promscrape.config=\(folder)/vmagent.yml", "-httpListenAddr=\(try SocketAddress.free())",
                "-remoteWrite.url=\(url)/api/v1/write", "-remoteWrite.tmpDataPath=\(folder)/vmagent",
                "-remoteWrite.flushInterval=200ms",
            ])
    }

    func end() {
        agent?.end(SIGKILL)
        store.end(SIGKILL)
    }

    var logs: String { "-- vmagent\n\(agent?.tail ?? "")\n-- victoria-metrics\n\(store.tail)" }
}
