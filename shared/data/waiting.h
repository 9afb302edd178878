/*
 * What a push that waits must know of its task: whether it can be claimed, whose it is, and whether other users'
 * tasks wait as well. Nothing here takes a lease. Any thread may call.
 */
#ifndef MR_DATA_WAITING_H
#define MR_DATA_WAITING_H

#include "shared/data/db.h"
#include "shared/data/message.h"

enum mr_waiting_state {
    MR_WAITING_STALE,     /* unknown task, another generation, or a final state */
    MR_WAITING_READY,     /* can be claimed */
    MR_WAITING_ELSEWHERE, /* a worker has a live lease */
};

struct mr_waiting {
    int64_t task_id, generation; /* of the message */
    int64_t user;                /* filled, as is the state; 0 for an unknown task */
    enum mr_waiting_state state;
};

/* Fills all of tasks, at most 10,000, in one statement. */
MR_MUST_CHECK enum mr_status mr_waiting_look(struct mr_db *db, struct mr_waiting *tasks, size_t count,
                                             struct mr_err *err);

/* True if a task of another user waits with this priority. */
MR_MUST_CHECK enum mr_status mr_waiting_has_others(struct mr_db *db, int64_t user, bool high, bool *ret,
                                                   struct mr_err *err);

/* Puts a waiting task off: the message is acknowledged, and another is published when slots are idle
 * (mr_waiting_recall), or by the next sweep. Counts no attempt. *ret_done is false if the task has another generation or
 * does not wait any more, for example because another worker has claimed it: then the message must be kept. */
MR_MUST_CHECK enum mr_status mr_waiting_put_off(struct mr_db *db, const struct mr_message *message,
                                                bool *ret_done, struct mr_err *err);

/* Takes up to max tasks of one priority that were put off, of each user the oldest ones and as many as of the others, and
 * fills recalled (room for max) with their messages, oldest first. They count as published: recall.h publishes them. */
MR_MUST_CHECK enum mr_status mr_waiting_recall(struct mr_db *db, bool high, struct mr_message *recalled,
                                               size_t max, size_t *ret_count, struct mr_err *err);

/* Exchanges a waiting task for the oldest one of the same user and priority that was put off before it, if there is one:
 * *message becomes that one's, and the task that it named is put off. So a user's tasks run in their order, and none
 * is put off again and again while newer ones find room. */
MR_MUST_CHECK enum mr_status mr_waiting_exchange(struct mr_db *db, struct mr_message *message,
                                                 struct mr_err *err);

#endif
