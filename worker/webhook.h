/*
 * One webhook: a POST of JSON, signed as the Standard Webhooks specification says, so that receivers can use
 * its libraries. Any thread may call.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
#ifndef MR_WORKER_WEBHOOK_H
#define MR_WORKER_WEBHOOK_H

#include "shared/data/deliveries.h"
#include "shared/http/client.h"

struct mr_webhook {
    const char *url;
    const char *id;     /* the same on every attempt: receivers recognise duplicates by it */
    const char *secret; /* key of the signature, hexadecimal */
    const char *event;  /* "task.processed" */
    const char *body;   /* JSON */
    int timeout_ms;     /* of the whole exchange */
    const struct mr_guard *guard;
    const char *ca_file;
    bool (*canceled)(void *ctx); /* as of struct mr_http_request */
    void *canceled_ctx;
};

/*
 * Makes one attempt. SENT: the receiver answered 2xx, whatever followed the head. FAILED: a retry would not
 * help (410, or a URL that is refused). RETRY: everything else, redirects included, which are not followed.
 * *ret_status is the HTTP status, 0 without an answer. reason is filled unless SENT; it never contains the
 * URL, which may hold secrets.
 */
enum mr_delivery_end mr_webhook_send(struct mr_http_client *http, const struct mr_webhook *webhook,
                                     int *ret_status, struct mr_err *reason);

/* The value of webhook-signature: "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body". secret is
 * hexadecimal, timestamp in seconds since 1970. *ret is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_webhook_sign(const char *secret, const char *id, int64_t timestamp,
                                             const char *body, char **ret, struct mr_err *err);

#endif
