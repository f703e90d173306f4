import HTTPServer
import Model
import RuntimeCore
import TestSupport
import Testing

@testable import Commands

@Suite struct ExitStatusTests {
    /// What `wvsctl workspace get ws-1` ends with, before a server that answers so.
    private func error(
        _ status: Int, _ body: String = #"{"code":"WVS_INTERNAL","detail":"it broke"}"#
    ) async throws -> CommandError? {
        var router = Router()
        router.on("GET", "/v1/workspaces/{wsid}") { _ in
            Response(status: status, contentType: "application/problem+json", text: body)
        }
        let server = try HTTPServer(
            name: "stub", address: SocketAddress(host: "127.0.0.1", port: 0), router: router,
            logger: Logger(level: .error))
        let running = Task { try await server.run() }
        let url = "http://\(server.address)"
        let result = await Task.detached { () -> CommandError? in
            do {
                _ = try APIClient(baseURL: url, isVerbose: false).get("/v1/workspaces/ws-1")
                return nil
            } catch {
                return error as? CommandError
            }
        }.value
        server.shutdown()
        try await running.value
        return result
    }

    @Test(arguments: [
        (400, 2), (401, 4), (403, 4), (404, 3), (409, 5), (410, 5), (412, 5), (500, 1), (502, 1), (503, 8), (504, 1),
    ])
    func eachAnswerHasAnExitStatus(http: Int, exit: Int32) async throws {
        #expect(try await error(http)?.status.rawValue == exit)
    }

    @Test func anErrorShowsCodeAndDetail() async throws {
        #expect(try await error(500)?.message == "WVS_INTERNAL: it broke")
    }

    @Test func whatAProxyRefusesInHTMLIsARefusalToo() async throws {
        let refused = try await error(401, "<html>who are you?</html>")
        #expect(refused?.status == .unauthorized)
        #expect(refused?.message.contains("is that wvs-api?") == true)
        #expect(try await error(200, "<html>welcome</html>")?.status == .failed)
    }

    @Test(arguments: ErrorCode.allCases) func everyCodeSaysWhatToDo(code: ErrorCode) async throws {
        let hint = try await error(code.httpStatus, #"{"code":"\#(code.rawValue)","detail":"no"}"#)?.hint
        #expect(hint?.isEmpty == false)
    }

    @Test func whereNobodyAnswersItSaysHowToNameAnother() {
        let error = #expect(throws: CommandError.self) {
            try APIClient(baseURL: "http://127.0.0.1:1", isVerbose: false).get("/")
        }
        #expect(error?.status == .unreachable)
        #expect(error?.hint?.contains("WVS_API_URL") == true)
    }
}
