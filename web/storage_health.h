/*
 * Whether Cloud Storage answers, for GET /api/status, which anybody may call: so it is asked at most every
 * MR_STORAGE_HEALTH_MS, and by one thread at a time; the others get what was found before. Any thread may call.
 */
#ifndef MR_WEB_STORAGE_HEALTH_H
#define MR_WEB_STORAGE_HEALTH_H

#include "shared/base/log.h"
#include "shared/gcp/storage.h"

#include <pthread.h>

enum { MR_STORAGE_HEALTH_MS = 3000 };

struct mr_storage_facts {
    bool is_known; /* false until it was asked for the first time */
    bool answers;
    int64_t ms; /* that the question took */
};

struct mr_storage_health {
    pthread_mutex_t lock; /* protects the rest; initialised with PTHREAD_MUTEX_INITIALIZER */
    bool is_busy;         /* a thread asks */
    int64_t asked_us;     /* on CLOCK_MONOTONIC */
    struct mr_storage_facts facts;
};

/* What is known, asked again if it is old. A failure is logged. */
struct mr_storage_facts mr_storage_health_look(struct mr_storage_health *health, struct mr_storage *storage,
                                               const struct mr_log *log);

#endif
