#pragma once
#include <postgresql/libpq-fe.h>
#include <openssl/ssl.h>

// Bytes that TLS has decrypted and libpq has not taken yet: poll(2) on the socket knows nothing of them.
static inline int wvs_tls_pending(PGconn *connection) {
    SSL *tls = (SSL *)PQsslStruct(connection, "OpenSSL");
    return tls ? SSL_pending(tls) : 0;
}
