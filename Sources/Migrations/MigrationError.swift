/// Why a schema was not changed.
package enum MigrationError: Error, Equatable, CustomStringConvertible {
    /// The files contradict each other.
    case files(String)
    /// Another tool stopped half way; a person has to look.
    case dirty(version: Int64)
    /// The database is at a version that no file describes: these files are older than the database, or others.
    case unknownVersion(Int64, newest: Int64)
    /// Not as many are applied as are to be taken back.
    case fewer(Int, than: Int)
    /// There is no way back from this version.
    case irreversible(version: Int64)
    /// The script ended the transaction that it runs in.
    case escapedTransaction(version: Int64)

    package var description: String {
        switch self {
        case .files(let problem): "migration files: \(problem)"
        case .dirty(let version):
            """
            the database is dirty at version \(version): a migration stopped half way. Compare the schema with the files, \
            mend it, then say what it is at: wvs-migrate force VERSION
            """
        case .unknownVersion(let version, let newest):
            "there is no migration \(version) among the files; the newest is \(newest)"
        case .fewer(let applied, let count):
            "\(count) can not be taken back, \(applied) are applied; nothing was changed"
        case .irreversible(let version): "migration \(version) has no .down.sql file; nothing was changed"
        case .escapedTransaction(let version):
            "migration \(version) holds BEGIN, COMMIT or ROLLBACK; each file is one transaction as it is"
        }
    }
}
