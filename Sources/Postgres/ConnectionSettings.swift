private import CPostgres
import RuntimeCore

/// How a connection is made.
package struct ConnectionSettings: Sendable {
    /// A libpq connection string, `postgres://…` or `key=value`. A secret.
    let dsn: String
    /// What `pg_stat_activity` shows, unless the connection string says something else.
    let applicationName: String
    /// For each address that the connection string names; whole seconds, at least 2 (libpq). `connect_timeout` in the
    /// connection string goes before it.
    let connectTimeout: Duration
    /// How long the server may be silent while a statement runs before the connection is given up; nil for ever. A server that
    /// hangs is not noticed otherwise: its machine still answers for it.
    let answerTimeout: Duration?

    package init(
        dsn: String, applicationName: String, connectTimeout: Duration = .seconds(5), answerTimeout: Duration? = nil
    ) {
        self.dsn = dsn
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.answerTimeout = answerTimeout
    }

    /// Whether libpq can read a connection string; says nothing about whether somebody answers.
    package static func isReadable(dsn: String) -> Bool {
        guard let options = PQconninfoParse(dsn, nil) else { return false }
        PQconninfoFree(options)
        return true
    }

    /// Keywords in libpq's order of precedence: what stands before `dbname` gives way to the connection string, what comes
    /// after it does not.
    var keywords: [(String, String)] {
        [
            ("fallback_application_name", applicationName),
            ("connect_timeout", String(max(2, connectTimeout.wholeMilliseconds / 1000))),
            // A peer that vanished is noticed within half a minute, also while nothing is sent.
            ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"),
            // Encryption is TLS. What Kerberos' own keeps decrypted can not be seen from outside, so waiting could be in vain.
            ("gssencmode", "disable"),
            ("dbname", dsn),
            ("client_encoding", "UTF8"),
        ]
    }
}
