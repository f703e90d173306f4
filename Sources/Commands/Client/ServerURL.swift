/// The address of a server as options, variables and the configuration give it.
enum ServerURL {
    /// - Parameter source: what gave it, for the error.
    /// - Returns: without a slash at its end.
    static func checked(_ text: String, _ source: String) throws(CommandError) -> String {
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
            throw CommandError(.usage, "\(source): expected a URL that begins with http:// or https://")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }
}
