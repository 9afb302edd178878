/*
 * Whether tasks of other users wait. Many pushes of one user ask this at once: the database is asked a few times a second
 * at most, and its answer is used for a moment. Any thread may call.
 */
#ifndef MR_WORKER_OTHERS_H
#define MR_WORKER_OTHERS_H

#include "shared/data/db.h"

#include <pthread.h>

enum { MR_OTHERS_KNOWN = 16 };

struct mr_others {
    pthread_mutex_t lock; /* protects all fields below */
    struct {
        int64_t user;
        bool high, wait;
        int64_t until_us;
    } known[MR_OTHERS_KNOWN];
    size_t next; /* the one that is overwritten next */
};

void mr_others_init(struct mr_others *others);
void mr_others_destroy(struct mr_others *others);

/* As mr_waiting_has_others, but the answer may be a quarter of a second old. */
MR_MUST_CHECK enum mr_status mr_others_wait(struct mr_others *others, struct mr_db *db, int64_t user,
                                            bool high, bool *ret, struct mr_err *err);

#endif
