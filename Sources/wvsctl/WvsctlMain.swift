import Commands
import Glibc
import RuntimeCore

@main
enum WvsctlMain {
    static func main() {
        exit(Wvsctl.run(arguments: Array(CommandLine.arguments.dropFirst()), environment: Process.environment))
    }
}
