private import CCurl
private import RuntimeCore

/// One HTTP exchange at a time over libcurl; the connection is kept between them. Blocks: it is for a command line.
final class HTTPClient {
    struct Response {
        let status: Int
        /// Names in lower case.
        let headers: [String: String]
        let body: [UInt8]
    }

    private let raw: OpaquePointer

    init() throws(CommandError) {
        guard let raw = OpaquePointer(curl_easy_init()) else {
            throw CommandError(.failed, "libcurl could not be initialised")
        }
        self.raw = raw
    }

    deinit { curl_easy_cleanup(UnsafeMutableRawPointer(raw)) }

    /// - Parameter timeout: for the whole exchange.
    /// - Throws: `.unreachable` where no answer came.
    func send(_ method: String, _ url: String, headers: [String: String], body: String?, timeout: Duration)
        throws(CommandError) -> Response
    {
        let handle = UnsafeMutableRawPointer(raw)
        curl_easy_reset(handle)
        var list: UnsafeMutablePointer<curl_slist>?
        // An empty Expect keeps curl from asking before it sends a body.
        for (name, value) in headers.merging(["Expect": ""], uniquingKeysWith: { first, _ in first }) {
            list = curl_slist_append(list, "\(name): \(value)")
        }
        defer { curl_slist_free_all(list) }
        let received = Received()
        wvs_curl_set_text(handle, CURLOPT_URL, url)
        wvs_curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        wvs_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, method)
        wvs_curl_set_text(handle, CURLOPT_USERAGENT, "wvsctl/\(Version.current)")
        // "..", percent-encoded or not, is an argument and no step up.
        wvs_curl_set_number(handle, CURLOPT_PATH_AS_IS, 1)
        wvs_curl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        wvs_curl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, 5000)
        wvs_curl_set_number(handle, CURLOPT_TIMEOUT_MS, Int(timeout.wholeMilliseconds))
        wvs_curl_set_list(handle, CURLOPT_HTTPHEADER, list)
        if let body { wvs_curl_set_text(handle, CURLOPT_COPYPOSTFIELDS, body) }
        let context = Unmanaged.passUnretained(received).toOpaque()
        wvs_curl_set_writer(handle, CURLOPT_WRITEFUNCTION, receiveBody)
        wvs_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        wvs_curl_set_writer(handle, CURLOPT_HEADERFUNCTION, receiveHeader)
        wvs_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        let code = withExtendedLifetime(received) { curl_easy_perform(handle) }
        guard code == CURLE_OK else {
            throw CommandError(.unreachable, "\(url): \(String(cString: curl_easy_strerror(code)))")
        }
        var status = 0
        wvs_curl_get_status(handle, &status)
        return Response(status: status, headers: received.headers, body: received.body)
    }
}

/// What libcurl has handed over so far.
private final class Received {
    var headers: [String: String] = [:]
    var body: [UInt8] = []
}

private func receiveBody(
    _ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let data, let context else { return 0 }
    let received = Unmanaged<Received>.fromOpaque(context).takeUnretainedValue()
    received.body += UnsafeRawBufferPointer(start: data, count: size * count)
    return size * count
}

private func receiveHeader(
    _ data: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let data, let context else { return 0 }
    let received = Unmanaged<Received>.fromOpaque(context).takeUnretainedValue()
    let line = String(decoding: UnsafeRawBufferPointer(start: data, count: size * count), as: UTF8.self)
    let parts = line.split(separator: ":", maxSplits: 1)
    if parts.count == 2 {
        received.headers[parts[0].lowercased()] = String(parts[1].trimmingWhitespace())
    }
    return size * count
}

extension Substring {
    fileprivate func trimmingWhitespace() -> Substring {
        var text = self
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
