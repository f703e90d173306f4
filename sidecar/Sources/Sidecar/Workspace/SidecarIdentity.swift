private import Glibc

/// The name under which a sidecar registers: new with each start.
enum SidecarIdentity {
    static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    static func make() -> String {
        // The registration's name allows less than a host's.
        let place = host.unicodeScalars.filter {
            $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "-")
        }
        let salt = String(UInt32.random(in: .min ... .max), radix: 16)
        return "s-\(String(String.UnicodeScalarView(place)).prefix(24))-\(getpid())-\(salt)"
    }
}
