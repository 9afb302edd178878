#include "worker/heartbeat.h"

#include "shared/base/clock.h"
#include "shared/data/units.h"

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
    atomic_int_least64_t held_until_us; /* CLOCK_MONOTONIC: the lease's end at the earliest */
    bool is_failing;                    /* of the thread: the last heartbeat was not stored */
    pthread_t thread;
    pthread_mutex_t lock; /* protects stopping */
    pthread_cond_t stop;
    bool stopping;
};

static void hold(struct mr_heartbeat *heartbeat, int64_t since_us)
{
    atomic_store(&heartbeat->held_until_us, since_us + heartbeat->lease_seconds * INT64_C(1000000));
}

/* One line for an outage, and one for its end. */
static void note_outcome(struct mr_heartbeat *heartbeat, const struct mr_err *failure)
{
    const json_int_t task_id = heartbeat->claim->task_id;
    if (failure && !heartbeat->is_failing)
        mr_log_err(heartbeat->log, MR_LOG_WARNING, "heartbeats fail", failure, "{s:I}", "task_id", task_id);
    if (!failure && heartbeat->is_failing)
        mr_log_write(heartbeat->log, MR_LOG_NOTICE, "heartbeats are stored again", "{s:I}", "task_id",
                     task_id);
    heartbeat->is_failing = failure != NULL;
}

static void send_heartbeat(struct mr_heartbeat *heartbeat)
{
    struct mr_err err;
    bool ours = true;
    const int64_t began_us = mr_time_monotonic_us();
    enum mr_status status = (heartbeat->claim->unit.n ? mr_unit_heartbeat : mr_lease_heartbeat)(
        heartbeat->db, heartbeat->claim, heartbeat->lease_seconds, atomic_load(&heartbeat->progress), &ours,
        &err);
    if (status == MR_OK && ours)
        hold(heartbeat, began_us);
    else if (status == MR_OK)
        atomic_store(&heartbeat->lost, true);
    note_outcome(heartbeat, status == MR_OK ? NULL : &err);
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
    hold(heartbeat, mr_time_monotonic_us()); /* the claim is a moment older */
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

int64_t mr_heartbeat_left_ms(const struct mr_heartbeat *heartbeat)
{
    int64_t left_us = atomic_load(&heartbeat->held_until_us) - mr_time_monotonic_us();
    return left_us > 0 ? left_us / 1000 : 0;
}
