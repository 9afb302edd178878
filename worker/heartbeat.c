#include "worker/heartbeat.h"

#include "shared/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* Progress and cancellation take effect within two seconds, even when one heartbeat fails. */
enum { INTERVAL_MS = 500 };

struct mr_heartbeat {
    struct mr_db *db;
    const struct mr_claim *claim;
    int64_t lease_seconds;
    const struct mr_log *log;
    atomic_int progress;
    atomic_bool lost;
    pthread_t thread;
    pthread_mutex_t lock; /* protects stopping */
    pthread_cond_t stop;
    bool stopping;
};

static void send_heartbeat(struct mr_heartbeat *heartbeat)
{
    struct mr_err err;
    bool ours = true;
    if (mr_lease_heartbeat(heartbeat->db, heartbeat->claim, heartbeat->lease_seconds,
                           atomic_load(&heartbeat->progress), &ours, &err) != MR_OK)
        mr_log_err(heartbeat->log, MR_LOG_WARNING, "heartbeat failed", &err, "{s:I}", "task_id",
                   (json_int_t)heartbeat->claim->task_id);
    else if (!ours)
        atomic_store(&heartbeat->lost, true);
}

/* Waits for the next heartbeat; false when it is time to stop. */
static bool wait_locked(struct mr_heartbeat *heartbeat)
{
    const struct timespec until = mr_time_deadline(INTERVAL_MS);
    while (!heartbeat->stopping &&
           pthread_cond_timedwait(&heartbeat->stop, &heartbeat->lock, &until) != ETIMEDOUT)
        ;
    return !heartbeat->stopping;
}

static void *run(void *arg)
{
    struct mr_heartbeat *heartbeat = arg;
    pthread_mutex_lock(&heartbeat->lock);
    while (wait_locked(heartbeat)) {
        pthread_mutex_unlock(&heartbeat->lock);
        send_heartbeat(heartbeat);
        pthread_mutex_lock(&heartbeat->lock);
    }
    pthread_mutex_unlock(&heartbeat->lock);
    return NULL;
}

enum mr_status mr_heartbeat_start(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                  const struct mr_log *log, struct mr_heartbeat **ret, struct mr_err *err)
{
    struct mr_heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
    if (!heartbeat)
        return mr_fail_oom(err);
    heartbeat->db = db;
    heartbeat->claim = claim;
    heartbeat->lease_seconds = lease_seconds;
    heartbeat->log = log;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&heartbeat->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&heartbeat->lock, NULL);
    int failure = pthread_create(&heartbeat->thread, NULL, run, heartbeat);
    if (failure) {
        free(heartbeat);
        return mr_fail_errno(err, MR_EXHAUSTED, failure, "start the heartbeat");
    }
    *ret = heartbeat;
    return MR_OK;
}

void mr_heartbeat_stop(struct mr_heartbeat *heartbeat)
{
    if (!heartbeat)
        return;
    pthread_mutex_lock(&heartbeat->lock);
    heartbeat->stopping = true;
    pthread_cond_signal(&heartbeat->stop);
    pthread_mutex_unlock(&heartbeat->lock);
    pthread_join(heartbeat->thread, NULL);
    pthread_cond_destroy(&heartbeat->stop);
    pthread_mutex_destroy(&heartbeat->lock);
    free(heartbeat);
}

void mr_heartbeat_progress(struct mr_heartbeat *heartbeat, int permille)
{
    atomic_store(&heartbeat->progress, permille);
}

bool mr_heartbeat_lost(const struct mr_heartbeat *heartbeat)
{
    return atomic_load(&heartbeat->lost);
}
