/*
 * One webhook: a POST of JSON, signed as Standard Webhooks say, so that receivers can use the libraries there
 * are. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * Any thread may call.
 */
#ifndef MR_WORKER_WEBHOOK_H
#define MR_WORKER_WEBHOOK_H

#include "shared/data/deliveries.h"
#include "shared/http/client.h"

struct mr_webhook {
    const char *url;
    const char *id;     /* the same on every try: what the receiver tells doubles by */
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
 * Sends it once. SENT: the receiver answered 2xx, whatever came after the head. FAILED: nothing will change
 * by trying again (410, or an URL that is refused). RETRY: all else, redirects included, for they are not
 * followed. *ret_status is the HTTP status, 0 if none came; reason is filled unless SENT, without the URL,
 * which may hold secrets.
 */
enum mr_delivery_end mr_webhook_send(struct mr_http_client *http, const struct mr_webhook *webhook,
                                     int *ret_status, struct mr_err *reason);

/* The value of webhook-signature: "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body". *ret is
 * malloc'ed. */
MR_MUST_CHECK enum mr_status mr_webhook_sign(const char *secret, const char *id, int64_t timestamp,
                                             const char *body, char **ret, struct mr_err *err);

#endif
