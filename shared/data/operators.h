/*
 * What operators see of all users' tasks, and what they may do to one: the reports of GET /api/operator/…, and requeuing.
 * Reports are JSON as the API returns it (openapi.json has their fields); the caller owns *ret. Each reads a bounded number
 * of rows, however many tasks there are. Any thread may call.
 */
#ifndef MR_DATA_OPERATORS_H
#define MR_DATA_OPERATORS_H

#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

enum { MR_OPERATORS_LOOKED_MAX = 10000 };

/* Failed tasks among those that were made in the last `seconds`, the newest MR_OPERATORS_LOOKED_MAX: for each code an object,
 * the most frequent first. */
MR_MUST_CHECK enum mr_status mr_operators_failures(struct mr_db *db, int64_t seconds, json_t **ret,
                                                   struct mr_err *err);

struct mr_operators_page {
    int64_t max;    /* length of the list, at least 1 */
    int64_t before; /* only ids below this one; 0: from the newest */
};

/* Failed tasks, newest first; code NULL: any. *ret_next is the page->before of the next page, 0 if there is none: a page looks
 * at MR_OPERATORS_LOOKED_MAX tasks at most, so it may be short. */
MR_MUST_CHECK enum mr_status mr_operators_failed(struct mr_db *db, const char *code,
                                                 const struct mr_operators_page *page, json_t **ret,
                                                 int64_t *ret_next, struct mr_err *err);

/* Tasks that have waited for `seconds`, among the MR_OPERATORS_LOOKED_MAX oldest that wait, and those whose lease has expired;
 * oldest first, at most max. */
MR_MUST_CHECK enum mr_status mr_operators_stuck(struct mr_db *db, int64_t seconds, int64_t max, json_t **ret,
                                                struct mr_err *err);

/* Tasks of which Pub/Sub has given a message up (dead_letters.h), newest first. */
MR_MUST_CHECK enum mr_status mr_operators_dead_letters(struct mr_db *db, const struct mr_operators_page *page,
                                                       json_t **ret, int64_t *ret_next, struct mr_err *err);

/* How many leases live and have expired, in all and of each lane, with the oldest that lives. */
MR_MUST_CHECK enum mr_status mr_operators_leases(struct mr_db *db, json_t **ret, struct mr_err *err);

/* What a user has and has used today (UTC): who is a name, a mail address or a number. MR_NOT_FOUND. */
MR_MUST_CHECK enum mr_status mr_operators_usage(struct mr_db *db, const char *who, json_t **ret,
                                                struct mr_err *err);

/* What a requeued task was; "" for code unless it had failed. */
struct mr_requeued {
    int64_t user_id;
    char status[16];
    char code[64];
    struct mr_message message; /* which the caller publishes */
};
/*
 * Runs a task again that has failed, waits, or has a lease that expired: generation + 1 and all counts 0, as if it were new, so
 * that no limit of before ends it at once; a dead letter of it is noted as requeued. key is its number or file_id. MR_NOT_FOUND;
 * MR_CONFLICT with code "not_requeuable" for a live lease and for other states. The quota of its owner is not checked.
 */
MR_MUST_CHECK enum mr_status mr_operators_requeue(struct mr_db *db, const char *key, struct mr_requeued *ret,
                                                  struct mr_err *err);

#endif
