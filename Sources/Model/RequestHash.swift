private import COpenSSL
package import JSON

/// What makes two requests with one idempotency key the same request (design 3).
package enum RequestHash {
    /// SHA-256 over the canonical body, the method and the decoded path, in lower-case hex.
    ///
    /// - Parameter body: nil for no body or an empty one, which is not the same as `{}`.
    package static func make(body: JSONValue?, method: String, path: String) -> String {
        let input = Array(((body?.canonical ?? "") + method + path).utf8)
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        SHA256(input, input.count, &digest)
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
