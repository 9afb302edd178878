/*
 * Pings: messages that go through the whole loop (web, queue, worker, database), to check that it works. Clients
 * that ping within a second of the last ping share it. Any thread may call.
 */
#ifndef MR_DATA_PINGS_H
#define MR_DATA_PINGS_H

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

struct mr_ping {
    int64_t id;
    char sent_at[MR_TIME_TEXT_MAX]; /* ISO 8601, UTC */
    char pong_at[MR_TIME_TEXT_MAX]; /* "" until a worker has answered */
    int64_t ms;                     /* between the two; -1 until a worker has answered */
};

/* The ping of the last second, or a new one: then *ret_made is true, and the caller publishes its message. */
MR_MUST_CHECK enum mr_status mr_ping_begin(struct mr_db *db, struct mr_ping *ret, bool *ret_made,
                                           struct mr_err *err);
/* The message that takes a ping to a worker. */
struct mr_message mr_ping_message(const struct mr_ping *ping);
/* Call if the message could not be published, so that the next caller makes another ping. */
MR_MUST_CHECK enum mr_status mr_ping_forget(struct mr_db *db, int64_t id, struct mr_err *err);

/* The worker's answer. *ret_ms is how long the ping took; -1 if it is unknown (too old) or already answered. */
MR_MUST_CHECK enum mr_status mr_ping_answer(struct mr_db *db, int64_t id, int64_t *ret_ms,
                                            struct mr_err *err);

/* MR_NOT_FOUND if mr_ping_forget deleted it. */
MR_MUST_CHECK enum mr_status mr_ping_get(struct mr_db *db, int64_t id, struct mr_ping *ret,
                                         struct mr_err *err);

/* The newest pings, at most max, newest first: an array of {"sent_at", "pong_at", "ms"}, the last two null where no worker has
 * answered. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_pings_last(struct mr_db *db, int64_t max, json_t **ret, struct mr_err *err);

/* Deletes up to 10,000 pings that are older than an hour. */
MR_MUST_CHECK enum mr_status mr_pings_expire(struct mr_db *db, int64_t *ret_count, struct mr_err *err);

#endif
