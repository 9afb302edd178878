/*
 * The message that wakes a worker: {"v":1,"kind":"convert","task_id":42,"generation":1}. It only refers to a task
 * and its generation (or, in the field `id`, to a delivery or a ping); it may be lost, late, duplicated or stale.
 * Priority and trace are attributes (publisher.h). Pure functions; any thread.
 */
#ifndef MR_DATA_MESSAGE_H
#define MR_DATA_MESSAGE_H

#include "shared/base/err.h"

#include <stdint.h>

enum { MR_KIND_MAX = 32, MR_TRACEPARENT_MAX = 56 };

/* Every kind of message; those of tasks are also the task's `kind`. */
#define MR_KIND_CONVERT        "convert"
#define MR_KIND_EDIT           "edit"  /* a conversion that follows a preset */
#define MR_KIND_PROBE          "probe" /* describes a file, without an output */
#define MR_KIND_INSERT_RECORDS "insert_records"
#define MR_KIND_UNIT           "unit" /* of a task that was cut: id is the number of the unit (units.h) */
#define MR_KIND_DELIVER        "deliver"
#define MR_KIND_PING           "ping"

struct mr_message {
    char kind[MR_KIND_MAX];
    int64_t task_id;    /* 0 for a kind without a task */
    int64_t generation; /* 0 likewise */
    int64_t id;         /* of a delivery, a ping or a unit; 0 for other kinds, and then not in the JSON */
    bool high;          /* priority high; not in the JSON */
    /* of a push: when it was published, in seconds since 1970; 0: not known; not in the JSON */
    int64_t published_s;
    char traceparent[MR_TRACEPARENT_MAX]; /* W3C trace context or ""; not in the JSON */
};

/* *ret is malloc'ed JSON text. */
MR_MUST_CHECK enum mr_status mr_message_encode(const struct mr_message *message, char **ret,
                                               struct mr_err *err);
/* MR_INVALID names the field; MR_UNSUPPORTED for another version. Unknown fields are ignored. */
MR_MUST_CHECK enum mr_status mr_message_decode(const char *text, size_t len, struct mr_message *ret,
                                               struct mr_err *err);

#endif
