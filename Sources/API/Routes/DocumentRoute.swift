import HTTPServer

/// `/openapi.yaml`: the contract itself, for whoever generates clients from it.
struct DocumentRoute: Sendable {
    func add(to router: inout Router) {
        router.on("GET", "/openapi.yaml") { _ in
            // RFC 9512
            Response(status: 200, contentType: "application/yaml", text: OpenAPIDocument.text)
        }
    }
}
