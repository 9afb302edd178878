#include "shared/http/server_wire.h"

#include "shared/base/clock.h"

#include <sys/socket.h>

/* civetweb returns less than requested at the end of the body, but also when the client disconnects or its own
 * timeout expires: the count, or for chunked bodies the sign, tells them apart. */
enum mr_status mr_wire_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                            struct mr_err *err)
{
    if (len > MR_READ_CHUNK)
        len = MR_READ_CHUNK;
    if (req->body.length >= 0 && (int64_t)len > req->body.length - req->body.received)
        len = (size_t)(req->body.length - req->body.received);
    int64_t began_us = mr_time_monotonic_us();
    struct mr_watch watch;
    mr_slow_clients_begin(req->server->slow_clients, &watch, req->fd, SHUT_RD);
    int n = mg_read(req->conn, data, len);
    bool late = mr_slow_clients_end(req->server->slow_clients, &watch);
    if (n > 0 && (req->body.length < 0 || (size_t)n == len)) {
        *ret_len = (size_t)n;
        return MR_OK;
    }
    if (n == 0 && req->body.length < 0) {
        *ret_len = 0;
        return MR_OK;
    }
    if (late || mr_time_monotonic_us() - began_us >= (int64_t)req->server->options.client_timeout_ms * 1000)
        return mr_fail_code(err, MR_CODE_SLOW_CLIENT, "the body was sent too slowly");
    return mr_fail_code(err, MR_CODE_INCOMPLETE_BODY, "the connection was closed before the body ended");
}

enum mr_status mr_wire_write(struct mr_request *req, const void *data, size_t len, struct mr_err *err)
{
    const char *bytes = data;
    while (len) {
        size_t chunk = len < MR_WRITE_CHUNK ? len : MR_WRITE_CHUNK;
        struct mr_watch watch;
        mr_slow_clients_begin(req->server->slow_clients, &watch, req->fd, SHUT_RDWR);
        int n = mg_write(req->conn, bytes, chunk);
        bool late = mr_slow_clients_end(req->server->slow_clients, &watch);
        if (n < 0 || (size_t)n != chunk) {
            req->out.gone = true;
            return late ? mr_fail_as(err, MR_UNAVAILABLE, MR_CODE_SLOW_CLIENT,
                                     "the client read the answer too slowly")
                        : mr_fail_code(err, MR_CODE_CLIENT_GONE, "the client disconnected");
        }
        bytes += chunk;
        len -= chunk;
    }
    return MR_OK;
}
