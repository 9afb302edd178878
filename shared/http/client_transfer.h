/* What happens during a transfer: the callbacks that libcurl calls, and the state they share. For client.c. */
#ifndef MR_HTTP_CLIENT_TRANSFER_H
#define MR_HTTP_CLIENT_TRANSFER_H

#include "shared/http/client.h"

#include <curl/curl.h>

/* How fast the other side sends: over windows of time, in which the sink's own time does not count. */
struct mr_pace {
    int64_t began_us;
    int64_t in_sink_us;
    int window_s;
    int64_t window_began_us; /* waiting time when the window began */
    int64_t window_bytes;    /* received by then */
};

/* One request in progress; used by one thread. */
struct mr_transfer {
    const struct mr_http_request *req;
    struct mr_http_response *res;
    struct mr_err *err;
    CURL *curl;
    /* why a callback ended the transfer, with err filled; MR_OK if none did */
    enum mr_status callback_status;
    size_t source_given;
    struct mr_pace pace;
    bool repeatable; /* the request may reach the server twice */
    bool body_begun;
    bool exempt;          /* from the guard: the operator allows this host */
    bool address_refused; /* the guard refused an address */
    char reason[CURL_ERROR_SIZE];
};

/* Sets the callbacks that the request needs on transfer->curl. MR_INVALID if the guard needs the URL and it is
 * malformed. */
MR_MUST_CHECK enum mr_status mr_transfer_set_callbacks(struct mr_transfer *transfer);

/* Copies the HTTP status that has arrived into the response. */
void mr_transfer_note_status(struct mr_transfer *transfer);

#endif
