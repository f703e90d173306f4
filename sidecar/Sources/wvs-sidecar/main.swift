import RuntimeCore
import Sidecar

private import Glibc

exit(SidecarMain.run(Array(CommandLine.arguments.dropFirst()), environment: Process.environment))
