// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
    // Named crash points for the tests that kill programs; a release build has none.
    .define("FAILPOINTS", .when(configuration: .debug)),
]

func library(_ name: String, _ dependencies: [Target.Dependency] = [], in folder: String = "Sources") -> Target {
    .target(name: name, dependencies: dependencies, path: "\(folder)/\(name)", swiftSettings: settings)
}
func program(_ name: String, _ dependencies: [Target.Dependency], in folder: String = "Sources") -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "\(folder)/\(name)", swiftSettings: settings)
}
func tests(_ name: String, _ dependencies: [Target.Dependency], in folder: String = "Tests") -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "\(folder)/\(name)Tests", swiftSettings: settings)
}

let package = Package(
    name: "wvs",
    products: ["wvs-api", "wvs-worker", "wvs-executor", "wvs-migrate", "wvs-sidecar", "wvsctl", "demo-agent"].map {
        .executable(name: $0, targets: [$0])
    },
    targets: [
        // System libraries: a module map and a header, no logic.
        .systemLibrary(name: "CPostgres"),
        .systemLibrary(name: "CMicroHTTPD"),
        .systemLibrary(name: "CGRPC"),
        .systemLibrary(name: "COpenSSL"),
        .systemLibrary(name: "CJansson"),
        .systemLibrary(name: "CCurl"),
        .systemLibrary(name: "CYAML"),
        .systemLibrary(name: "CNcurses"),
        .systemLibrary(name: "CInotifyTools", path: "sidecar/Sources/CInotifyTools"),

        // Ground: what every program shares; the sidecar takes only RuntimeCore.
        .target(name: "CShims", path: "Sources/CShims"),
        library("RuntimeCore", ["CShims"]),
        library("Runtime", ["RuntimeCore", "CShims"]),

        // One wrapper for each C library; nothing of WVS in them.
        library("JSON", ["CJansson", "RuntimeCore"]),
        library("Postgres", ["CPostgres", "Runtime", "RuntimeCore"]),
        library("HTTPServer", ["CMicroHTTPD", "CShims", "Runtime", "RuntimeCore"]),
        library("GRPCTransport", ["CGRPC", "CShims", "Runtime", "RuntimeCore"]),

        // The service: pure decisions, rows, the wire between worker and executor, and a library for each program.
        library("Model", ["COpenSSL", "JSON", "RuntimeCore"]),
        library("Migrations", ["Postgres", "Runtime", "RuntimeCore"]),
        library("Store", ["JSON", "Model", "Postgres", "Runtime", "RuntimeCore"]),
        .target(
            name: "ExecutorProto", path: "Sources/ExecutorProto", exclude: ["executor/v1/executor.proto"],
            publicHeadersPath: ".", linkerSettings: [.linkedLibrary("protobuf-c")]),
        library("ExecutorRPC", ["ExecutorProto", "GRPCTransport", "Runtime", "RuntimeCore"]),
        library("API", ["HTTPServer", "JSON", "Migrations", "Model", "Postgres", "Runtime", "RuntimeCore", "Store"]),
        library(
            "Worker",
            [
                "ExecutorRPC", "HTTPServer", "JSON", "Migrations", "Model", "Postgres", "Runtime", "RuntimeCore",
                "Store",
            ]),
        library(
            "Executor", ["CShims", "ExecutorRPC", "GRPCTransport", "HTTPServer", "Quiesce", "Runtime", "RuntimeCore"]),
        library("Commands", ["CCurl", "CNcurses", "CShims", "CYAML", "JSON", "Model", "Runtime", "RuntimeCore"]),

        program("wvs-api", ["API", "Runtime", "RuntimeCore"]),
        program("wvs-worker", ["Worker", "Runtime", "RuntimeCore"]),
        program("wvs-executor", ["Executor", "Runtime", "RuntimeCore"]),
        program("wvs-migrate", ["Migrations", "Runtime", "RuntimeCore"]),
        program("clone-bench", ["Executor", "RuntimeCore"]),
        program("wvsctl", ["Commands", "Runtime", "RuntimeCore"]),
        library("FakeAgent", ["CShims", "RuntimeCore"]),
        program("demo-agent", ["FakeAgent", "RuntimeCore"]),

        // The sidecar: depends on nothing above but CShims and RuntimeCore.
        library("Quiesce", ["CShims", "RuntimeCore"], in: "sidecar/Sources"),
        library("Freezer", ["CShims", "RuntimeCore"], in: "sidecar/Sources"),
        library("Sidecar", ["CInotifyTools", "CShims", "Freezer", "Quiesce", "RuntimeCore"], in: "sidecar/Sources"),
        program("wvs-sidecar", ["RuntimeCore", "Sidecar"], in: "sidecar/Sources"),

        // A FUSE server for tests, in C.
        .executableTarget(
            name: "slow-fuse", path: "Tests/slow-fuse", cSettings: [.define("_FILE_OFFSET_BITS", to: "64")],
            linkerSettings: [.linkedLibrary("fuse3")]),
        program("grpc-soak", ["GRPCTransport", "RuntimeCore"], in: "Tests"),
        program("metrics-reference", ["API", "Executor", "Runtime", "Worker"], in: "Tests"),
        program(
            "queue-bench",
            ["ExecutorRPC", "GRPCTransport", "JSON", "Model", "Postgres", "Runtime", "RuntimeCore", "Store"],
            in: "Tests"),
        library("TestSupport", ["CShims", "JSON", "Migrations", "Postgres", "Runtime", "RuntimeCore"]),
        tests("RuntimeCore", ["RuntimeCore", "TestSupport"]),
        tests("Runtime", ["Runtime", "TestSupport"]),
        tests("JSON", ["JSON", "TestSupport"]),
        tests("Postgres", ["Postgres", "Runtime", "RuntimeCore", "TestSupport"]),
        tests("HTTPServer", ["HTTPServer", "Runtime", "RuntimeCore", "TestSupport"]),
        tests("GRPCTransport", ["GRPCTransport", "RuntimeCore", "TestSupport"]),
        tests("Model", ["JSON", "Model", "TestSupport"]),
        tests("Migrations", ["Migrations", "Postgres", "RuntimeCore", "TestSupport"]),
        tests("Store", ["JSON", "Model", "Postgres", "Runtime", "RuntimeCore", "Store", "TestSupport"]),
        tests("ExecutorRPC", ["ExecutorRPC", "GRPCTransport", "JSON", "RuntimeCore", "TestSupport"]),
        tests(
            "API",
            [
                "API", "ExecutorRPC", "HTTPServer", "JSON", "Migrations", "Model", "Postgres", "Runtime", "RuntimeCore",
                "Store", "TestSupport", "Worker",
            ]),
        tests(
            "Worker",
            [
                "API", "ExecutorRPC", "GRPCTransport", "JSON", "Migrations", "Model", "Postgres", "Runtime",
                "RuntimeCore",
                "Store", "TestSupport", "Worker",
            ]),
        tests(
            "Executor",
            [
                "Executor", "ExecutorRPC", "FakeAgent", "GRPCTransport", "JSON", "Quiesce", "Runtime", "RuntimeCore",
                "TestSupport",
            ]),
        tests("Commands", ["Commands", "HTTPServer", "Model", "RuntimeCore", "TestSupport"]),
        tests("Integration", ["FakeAgent", "JSON", "Postgres", "RuntimeCore", "TestSupport"]),
        tests("Quiesce", ["Quiesce", "TestSupport"], in: "sidecar/Tests"),
        tests("Freezer", ["CShims", "Freezer", "RuntimeCore"], in: "sidecar/Tests"),
        tests(
            "Sidecar", ["CShims", "Freezer", "Quiesce", "RuntimeCore", "Sidecar", "TestSupport"], in: "sidecar/Tests"),
    ]
)
