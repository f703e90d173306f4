import Glibc
import Testing

@testable import Commands

@Suite struct ConfigurationTests {
    /// A configuration file of its own, gone with the test.
    private func withFile(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/wvsctl-test.XXXXXX\0".utf8.map(CChar.init(bitPattern:)))
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        let path = "\(folder)/deep/config.yaml"
        defer {
            unlink(path)
            rmdir("\(folder)/deep")
            rmdir(folder)
        }
        try body(path)
    }

    private func run(_ line: String, _ path: String) -> Int32 {
        Wvsctl.run(arguments: line.split(separator: " ").map(String.init), environment: ["WVSCTL_CONFIG": path])
    }

    @Test func aServerIsRememberedUsedAndForgotten() throws {
        try withFile { path in
            #expect(run("context set lab --api-url http://127.0.0.1:1/ --metrics-url http://127.0.0.1:2", path) == 0)
            #expect(run("context set far --api-url https://wvs.example", path) == 0)
            var configuration = try Configuration.load(path)
            #expect(configuration.current == "lab", "the first one is in use at once")
            #expect(try configuration.context(named: nil)?.apiURL == "http://127.0.0.1:1")
            #expect(run("context use far", path) == 0)
            configuration = try Configuration.load(path)
            #expect(try configuration.context(named: nil)?.apiURL == "https://wvs.example")
            #expect(run("context delete far", path) == 0)
            #expect(try Configuration.load(path).current == nil)
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func anUnknownContextIsSaidWithThoseThatThereAre() throws {
        try withFile { path in
            #expect(run("context set lab --api-url http://127.0.0.1:1", path) == 0)
            #expect(run("context use home", path) == 2)
            let configuration = try Configuration.load(path)
            let error = #expect(throws: CommandError.self) { try configuration.context(named: "home") }
            #expect(error?.message == "there is no context 'home'; there are lab")
        }
    }

    @Test(arguments: ["contexts: [", "servers: {}", "contexts: {lab: {token: x}}"])
    func aFileThatCannotBeUnderstoodIsLeftAlone(text: String) throws {
        try withFile { path in
            try LocalFile.replace(path, with: Array(text.utf8), mode: 0o600)
            #expect(run("context set lab --api-url http://127.0.0.1:1", path) == 2)
            #expect(try LocalFile.read(path) == Array(text.utf8))
        }
    }

    private func url(_ path: String, _ values: [String: String], _ environment: [String: String]) throws -> String {
        let output = Output(form: .table, terminal: Terminal(color: .never, environment: [:]), isVerbose: false)
        let invocation = Invocation(
            output: output, environment: environment.merging(["WVSCTL_CONFIG": path]) { $1 }, positionals: [:],
            values: values)
        return try invocation.client.baseURL
    }

    @Test func anOptionGoesBeforeAVariableBeforeAContext() throws {
        try withFile { path throws in
            #expect(run("context set lab --api-url http://context", path) == 0)
            #expect(try url(path, [:], [:]) == "http://context")
            #expect(try url(path, [:], ["WVS_API_URL": "http://variable"]) == "http://variable")
            #expect(
                try url(path, ["--api-url": "http://option"], ["WVS_API_URL": "http://variable"]) == "http://option")
            #expect(try url(path, ["--context": "lab"], ["WVS_API_URL": "http://variable"]) == "http://context")
            #expect(throws: CommandError.self) { try url(path, ["--api-url": "ftp://x"], [:]) }
        }
    }
}
