import Glibc
import Migrations
import RuntimeCore

exit(await MigrateProgram.run(arguments: Array(CommandLine.arguments.dropFirst()), environment: Process.environment))
