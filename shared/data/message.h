/*
 * The message that wakes a worker: {"v":1,"kind":"convert","task_id":42,"generation":1}. It says only "look
 * at task N, generation G"; it may be lost, late, doubled or stale.
 */
#ifndef MR_DATA_MESSAGE_H
#define MR_DATA_MESSAGE_H

#include "shared/base/err.h"

#include <stdint.h>

enum { MR_KIND_MAX = 32 };

struct mr_message {
    char kind[MR_KIND_MAX];
    int64_t task_id;    /* 0 for a kind without a task */
    int64_t generation; /* 0 likewise */
};

/* *ret is malloc'ed JSON text. */
MR_MUST_CHECK enum mr_status mr_message_encode(const struct mr_message *message, char **ret,
                                               struct mr_err *err);
/* MR_INVALID names the field; MR_UNSUPPORTED for another version. Unknown fields are ignored. */
MR_MUST_CHECK enum mr_status mr_message_decode(const char *text, size_t len, struct mr_message *ret,
                                               struct mr_err *err);

#endif
