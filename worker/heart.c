#include "worker/heart.h"

#include "shared/base/encoding.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* Progress and cancellation are to be seen within two seconds, also when one beat is missed. */
enum { BEAT_MS = 500 };

struct mr_heart {
    struct mr_db *db;
    const struct mr_claim *claim;
    int64_t lease_seconds;
    const struct mr_log *log;
    atomic_int progress;
    atomic_bool lost;
    pthread_t thread;
    pthread_mutex_t lock; /* stopping is protected by it */
    pthread_cond_t stop;
    bool stopping;
};

static void beat(struct mr_heart *heart)
{
    struct mr_err err;
    bool ours = true;
    if (mr_lease_heartbeat(heart->db, heart->claim, heart->lease_seconds, atomic_load(&heart->progress),
                           &ours, &err) != MR_OK)
        mr_log_err(heart->log, MR_LOG_WARNING, "heartbeat missed", &err, "{s:I}", "task_id",
                   (json_int_t)heart->claim->task_id);
    else if (!ours)
        atomic_store(&heart->lost, true);
}

/* Waits for the next beat; false when it is time to stop. */
static bool wait_locked(struct mr_heart *heart)
{
    const struct timespec until = mr_time_deadline(BEAT_MS);
    while (!heart->stopping && pthread_cond_timedwait(&heart->stop, &heart->lock, &until) != ETIMEDOUT)
        ;
    return !heart->stopping;
}

static void *beating(void *arg)
{
    struct mr_heart *heart = arg;
    pthread_mutex_lock(&heart->lock);
    while (wait_locked(heart)) {
        pthread_mutex_unlock(&heart->lock);
        beat(heart);
        pthread_mutex_lock(&heart->lock);
    }
    pthread_mutex_unlock(&heart->lock);
    return NULL;
}

enum mr_status mr_heart_start(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                              const struct mr_log *log, struct mr_heart **ret, struct mr_err *err)
{
    struct mr_heart *heart = calloc(1, sizeof *heart);
    if (!heart)
        return mr_fail_oom(err);
    heart->db = db;
    heart->claim = claim;
    heart->lease_seconds = lease_seconds;
    heart->log = log;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&heart->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&heart->lock, NULL);
    int failure = pthread_create(&heart->thread, NULL, beating, heart);
    if (failure) {
        free(heart);
        return mr_fail_errno(err, MR_EXHAUSTED, failure, "start the heart");
    }
    *ret = heart;
    return MR_OK;
}

void mr_heart_stop(struct mr_heart *heart)
{
    if (!heart)
        return;
    pthread_mutex_lock(&heart->lock);
    heart->stopping = true;
    pthread_cond_signal(&heart->stop);
    pthread_mutex_unlock(&heart->lock);
    pthread_join(heart->thread, NULL);
    pthread_cond_destroy(&heart->stop);
    pthread_mutex_destroy(&heart->lock);
    free(heart);
}

void mr_heart_progress(struct mr_heart *heart, int permille)
{
    atomic_store(&heart->progress, permille);
}

bool mr_heart_lost(const struct mr_heart *heart)
{
    return atomic_load(&heart->lost);
}
