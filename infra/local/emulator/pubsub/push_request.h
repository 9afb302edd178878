/*
 * One push as an HTTP request: the wrapped envelope, or the bare data with metadata in headers.
 * Sources: https://cloud.google.com/pubsub/docs/push, https://cloud.google.com/pubsub/docs/payload-unwrapping
 *
 * It needs no lock: everything it reads is immutable.
 */
#ifndef EM_PUBSUB_PUSH_REQUEST_H
#define EM_PUBSUB_PUSH_REQUEST_H

#include "infra/local/emulator/pubsub/message.h"
#include "infra/local/emulator/pubsub/settings.h"
#include "shared/http/client.h"

struct em_push_request {
    const struct em_subscription_settings *settings;
    const struct em_message *message;
    int64_t attempt;
    const char *token; /* NULL: no Authorization */
    bool (*canceled)(void *ctx);
    void *canceled_ctx;
};

/* Posts the message and waits for the answer, at most for the ack deadline. MR_OK is an ack. Anything else is a
 * nack, with the reason in err: another status, no connection, or no answer in time. */
MR_MUST_CHECK enum mr_status em_push_request_send(struct mr_http_client *http,
                                                  const struct em_push_request *push, struct mr_err *err);

/* True for 102, 200, 201, 202, 204. */
bool em_push_status_is_ack(int http_status);

#endif
