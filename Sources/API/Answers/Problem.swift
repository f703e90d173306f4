import HTTPServer
import JSON

extension Response {
    /// RFC 9457. The type is `about:blank`, so the title is that of the status; `code` tells errors apart.
    static func problem(_ error: APIError, requestID: String) -> Response {
        var members: JSONObject = [
            "type": "about:blank", "title": .string(statusTitle(error.status)),
            "status": .integer(Int64(error.status)), "detail": .string(error.detail),
            "code": .string(error.code.rawValue), "request_id": .string(requestID),
        ]
        members["task_id"] = error.taskID.map { .string($0) }
        var response = Response.json(error.status, .object(members))
        response.headers["Content-Type"] = "application/problem+json"
        if error.status == 503 { response.headers["Retry-After"] = "1" }
        if let taskID = error.taskID { response.logFields.append((.taskID, .text(taskID))) }
        response.logFields.append((.detail, .text(error.detail)))
        return response
    }

    static func json(_ status: Int, _ value: JSONValue) -> Response {
        Response(status: status, contentType: "application/json", text: value.text + "\n")
    }
}

/// The reason phrase that RFC 9110 and its registry give a status.
private func statusTitle(_ status: Int) -> String {
    switch status {
    case 400: "Bad Request"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 431: "Request Header Fields Too Large"
    // nginx's; no registry has it.
    case 499: "Client Closed Request"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Error"
    }
}
