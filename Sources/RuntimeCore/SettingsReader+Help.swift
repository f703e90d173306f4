extension SettingsReader {
    /// What `--help` prints.
    var help: String {
        let usage = "\(program) [--flag VALUE]...\(operands.isEmpty ? "" : " \(operands)")"
        var text = "\(summary)\n\nusage: \(usage)\n\nEach flag may also be given as a variable.\n"
        for setting in known {
            let fallback = setting.fallback.map { $0.isEmpty ? "none" : $0 } ?? "required"
            text +=
                "\n  \(setting.flag) (\(setting.variable))\n      \(setting.help): \(setting.expected) [\(fallback)]"
        }
        let probe =
            offersHealthCheck ? ", --healthcheck (is the program with these settings ready? exit status 0 or 1)" : ""
        return text + "\n\n  --help, --version\(probe)"
    }

    /// What `--help=markdown` prints: a section of docs/configuration.md, the same on every machine.
    var markdown: String {
        var text =
            "## \(program)\n\n\(summary)\n\n| variable, flag | what it is | expected | default |\n|---|---|---|---|\n"
        for setting in known {
            let fallback = setting.fallback.map { $0.isEmpty ? "none" : "`\($0)`" } ?? "required"
            let cells = [setting.help, setting.expected, setting.origin ?? fallback].map {
                $0.replacing("|", with: "\\|").replacing("<", with: "&lt;")
            }
            text += "| `\(setting.variable)`<br>`\(setting.flag)` | \(cells.joined(separator: " | ")) |\n"
        }
        return text
    }
}
