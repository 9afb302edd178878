#include "infra/local/emulator/pubsub/state.h"

#include "shared/base/clock.h"

#include <errno.h>

enum mr_status em_pubsub_cond_init(pthread_cond_t *cond, struct mr_err *err)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed ? mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_cond_init") : MR_OK;
}

bool em_pubsub_wait_locked(struct em_pubsub *pubsub, pthread_cond_t *cond, int64_t due_us)
{
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    return pthread_cond_timedwait(cond, &pubsub->lock, &due) != ETIMEDOUT;
}

void em_pubsub_timer_set_locked(struct em_pubsub *pubsub, struct em_timer *timer, int64_t due_us)
{
    em_timers_set(&pubsub->timers, timer, due_us);
    if (em_timers_first(&pubsub->timers) == timer)
        pthread_cond_signal(&pubsub->clock_wake);
}

enum mr_status em_pubsub_state_init(struct em_pubsub *pubsub, struct mr_err *err)
{
    int failed = pthread_mutex_init(&pubsub->lock, NULL);
    if (failed)
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_mutex_init");
    enum mr_status status = em_pubsub_cond_init(&pubsub->clock_wake, err);
    if (status != MR_OK)
        goto no_clock_wake;
    status = em_pubsub_cond_init(&pubsub->push_wake, err);
    if (status != MR_OK)
        goto no_push_wake;
    /* Ids keep increasing over a restart, in case a reader remembers old ones. */
    pubsub->last_message_id = mr_time_now_us();
    return MR_OK;
no_push_wake:
    pthread_cond_destroy(&pubsub->clock_wake);
no_clock_wake:
    pthread_mutex_destroy(&pubsub->lock);
    return status;
}

void em_pubsub_state_destroy(struct em_pubsub *pubsub)
{
    em_registry_free(&pubsub->subscriptions);
    em_registry_free(&pubsub->topics);
    em_timers_free(&pubsub->timers);
    pthread_cond_destroy(&pubsub->push_wake);
    pthread_cond_destroy(&pubsub->clock_wake);
    pthread_mutex_destroy(&pubsub->lock);
}
