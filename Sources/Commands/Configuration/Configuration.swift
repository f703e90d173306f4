private import Glibc
import JSON
import RuntimeCore

/// The servers that wvsctl knows, by name: `~/.config/wvsctl/config.yaml`.
///
/// ```yaml
/// current-context: lab
/// contexts:
///   lab:
///     api-url: http://127.0.0.1:8080
///     metrics-url: http://127.0.0.1:8428
/// ```
struct Configuration: Equatable {
    struct Context: Equatable {
        var apiURL: String?
        var metricsURL: String?
    }

    var current: String?
    var contexts: [String: Context] = [:]

    /// Where it lies: `WVSCTL_CONFIG`, else below `XDG_CONFIG_HOME`, else below the home folder.
    static func path(_ environment: [String: String]) -> String? {
        func set(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let path = set("WVSCTL_CONFIG") { return path }
        guard let folder = set("XDG_CONFIG_HOME") ?? set("HOME").map({ $0 + "/.config" }) else { return nil }
        return folder + "/wvsctl/config.yaml"
    }

    /// An empty one where there is no file yet.
    static func load(_ path: String?) throws(CommandError) -> Configuration {
        guard let path else { return Configuration() }
        do {
            let text = String(decoding: try LocalFile.read(path), as: UTF8.self)
            return try Configuration(YAML.parse(text))
        } catch let error as SystemError where error.errno == ENOENT {
            return Configuration()
        } catch {
            throw CommandError(.usage, "\(path): \(error)")
        }
    }

    /// The context that a command uses; nil where none is chosen.
    func context(named name: String?) throws(CommandError) -> Context? {
        guard let name = name ?? current else { return nil }
        guard let context = contexts[name] else {
            let known = contexts.keys.sorted().joined(separator: ", ")
            throw CommandError(
                .usage, "there is no context '\(name)'\(known.isEmpty ? "" : "; there are \(known)")",
                hint: "wvsctl context set \(name) --api-url http://…")
        }
        return context
    }

    // MARK: Its file

    private init(_ document: JSONValue) throws(YAML.Problem) {
        self.init()
        if document.isNull { return }
        guard let object = document.object else { throw YAML.Problem(description: "expected keys and values") }
        for (name, value) in object {
            switch name {
            case "current-context": current = value.string.flatMap { $0.isEmpty ? nil : $0 }
            case "contexts":
                for (name, value) in value.object ?? [:] { contexts[name] = try Self.context(value, named: name) }
            default: throw YAML.Problem(description: "unknown key '\(name)'; allowed: current-context, contexts")
            }
        }
    }

    init() {}

    private static func context(_ value: JSONValue, named name: String) throws(YAML.Problem) -> Context {
        var context = Context()
        for (key, value) in value.object ?? [:] {
            switch key {
            case "api-url": context.apiURL = value.string
            case "metrics-url": context.metricsURL = value.string
            default:
                throw YAML.Problem(description: "context \(name): unknown key '\(key)'; allowed: api-url, metrics-url")
            }
        }
        return context
    }

    var document: JSONValue {
        var list = JSONObject()
        for (name, context) in contexts.sorted(by: { $0.key < $1.key }) {
            var members = JSONObject()
            members["api-url"] = context.apiURL.map(JSONValue.string)
            members["metrics-url"] = context.metricsURL.map(JSONValue.string)
            list[name] = .object(members)
        }
        var members: JSONObject = [:]
        members["current-context"] = current.map(JSONValue.string)
        members["contexts"] = .object(list)
        return .object(members)
    }

    /// Replaces the file at once, readable by its owner only.
    func save(_ path: String?) throws(CommandError) {
        guard let path else { throw CommandError(.usage, "neither HOME, XDG_CONFIG_HOME nor WVSCTL_CONFIG is set") }
        do {
            try LocalFile.replace(path, with: Array((YAML.text(document) + "\n").utf8), mode: 0o600)
        } catch {
            throw CommandError(.failed, "\(path): \(error)")
        }
    }
}
