/*
 * The envelope of a Pub/Sub push request. Pure; any thread. Source:
 * https://cloud.google.com/pubsub/docs/push#receive_push
 */
#ifndef MR_GCP_PUSH_H
#define MR_GCP_PUSH_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

#include <stdint.h>

struct mr_push {
    char *data; /* decoded; NUL-terminated; "" if the message had none */
    size_t data_len;
    char *message_id;
    json_t *attributes;       /* an object of strings, never NULL */
    int64_t delivery_attempt; /* 0 without a dead-letter policy */
    int64_t published_s;      /* of publishTime, in seconds since 1970; 0 if it cannot be read */
};

/* Reads an envelope (not consumed); free *ret. MR_INVALID with code "not_an_envelope" says what is wrong. */
MR_MUST_CHECK enum mr_status mr_push_parse(const json_t *envelope, struct mr_push *ret, struct mr_err *err);
void mr_push_free(struct mr_push *push);
MR_DEFINE_VALUE_CLEANUP(mr_push, mr_push_free)

#endif
