/*
 * Requests that wait for the end of a task (`wait` of POST /api/tasks), without a request thread each: they are parked
 * (mr_request_park), and one thread answers all of them. A few times a second it asks the database, with one statement,
 * which of their tasks have ended.
 *
 * Answers: 201 when the task has ended, however it did; 202 when the time is up, the service stops, or the database
 * does not say; 404 if the task was deleted. Any thread may call.
 */
#ifndef MR_WEB_TASK_WAITS_H
#define MR_WEB_TASK_WAITS_H

#include "shared/base/cleanup.h"
#include "shared/base/log.h"
#include "shared/data/db.h"
#include "shared/http/server.h"

enum { MR_TASK_WAIT_MAX_S = 300 };

struct mr_task_waits;

struct mr_task_waits_options {
    struct mr_db *db;         /* both not owned; they must outlive it */
    const struct mr_log *log; /* of failures of the database */
    size_t max;               /* requests that wait at once */
    size_t max_of_user;       /* of these, those of one user */
};

/* MR_EXHAUSTED without memory or a thread. */
MR_MUST_CHECK enum mr_status mr_task_waits_start(const struct mr_task_waits_options *options,
                                                 struct mr_task_waits **ret, struct mr_err *err);
/* Answers those that wait with 202, and from now on lets none wait. NULL is allowed. */
void mr_task_waits_stop(struct mr_task_waits *waits);
/* Stops and frees. NULL is allowed. */
void mr_task_waits_free(struct mr_task_waits *waits);
MR_DEFINE_CLEANUP(mr_task_waits, mr_task_waits_free)

/*
 * Parks the request until the task of `view` has ended, for at most `seconds`; headers that it has are sent with the
 * answer. `view`, which is copied, is the task as it is now. *ret_waits is false, and the request as it was,
 * when too many wait already: answer 202 at once.
 */
MR_MUST_CHECK enum mr_status mr_task_waits_add(struct mr_task_waits *waits, struct mr_request *req,
                                               int64_t user_id, const json_t *view, int64_t seconds,
                                               bool *ret_waits, struct mr_err *err);

/* The body of an answer: `message` and `task`, with a reference of its own. NULL without memory. */
json_t *mr_task_waits_body(const char *message, json_t *view);

#endif
