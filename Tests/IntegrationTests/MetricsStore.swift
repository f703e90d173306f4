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
        address = try MetricsStore.freeAddress()
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
                "-promscrape.config=\(folder)/vmagent.yml", "-httpListenAddr=\(try MetricsStore.freeAddress())",
                "-remoteWrite.url=\(url)/api/v1/write", "-remoteWrite.tmpDataPath=\(folder)/vmagent",
                "-remoteWrite.flushInterval=200ms",
            ])
    }

    func end() {
        agent?.end(SIGKILL)
        store.end(SIGKILL)
    }

    var logs: String { "-- vmagent\n\(agent?.tail ?? "")\n-- victoria-metrics\n\(store.tail)" }

    /// A port that was free a moment ago: these programs do not say which one they took.
    private static func freeAddress() throws -> SocketAddress {
        let socket = FileDescriptor(
            owning: try systemCall("socket") { Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) })
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = try systemCall("bind") { bind(socket.raw, generic, size) }
                _ = try systemCall("getsockname") { getsockname(socket.raw, generic, &size) }
            }
        }
        return SocketAddress(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
    }
}
