#include "infra/local/emulator/pubsub/clock.h"

#include "infra/local/emulator/pubsub/backlog.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/subscription.h"
#include "shared/base/clock.h"

#define EXPIRE_EVERY_US INT64_C(60000000)

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void fire_locked(struct em_pubsub *pubsub, struct em_timer *timer)
{
    em_timers_cancel(&pubsub->timers, timer);
    if (timer->kind == EM_TIMER_SUBSCRIPTION)
        em_subscription_wake_locked(pubsub, CONTAINER_OF(timer, struct em_subscription, resume));
    else
        em_delivery_due_locked(pubsub, CONTAINER_OF(timer, struct em_delivery, timer));
}

static void expire_all_locked(struct em_pubsub *pubsub)
{
    for (size_t i = 0; i < pubsub->subscriptions.count; i++)
        em_subscription_expire_locked(pubsub, pubsub->subscriptions.entries[i].value);
}

static void *clock_main(void *ctx)
{
    struct em_pubsub *pubsub = ctx;
    int64_t expire_us = mr_time_monotonic_us() + EXPIRE_EVERY_US;
    em_pubsub_lock(pubsub);
    while (!atomic_load(&pubsub->stopping)) {
        int64_t now_us = mr_time_monotonic_us();
        struct em_timer *first = em_timers_first(&pubsub->timers);
        if (first && first->due_us <= now_us) {
            fire_locked(pubsub, first);
        } else if (expire_us <= now_us) {
            expire_all_locked(pubsub);
            expire_us = now_us + EXPIRE_EVERY_US;
        } else {
            int64_t due_us = first && first->due_us < expire_us ? first->due_us : expire_us;
            (void)em_pubsub_wait_locked(pubsub, &pubsub->clock_wake, due_us);
        }
    }
    em_pubsub_unlock(pubsub);
    return NULL;
}

enum mr_status em_clock_start(struct em_pubsub *pubsub, struct mr_err *err)
{
    int failed = pthread_create(&pubsub->clock, NULL, clock_main, pubsub);
    if (failed)
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "start the clock thread");
    pubsub->clock_started = true;
    return MR_OK;
}

void em_clock_join(struct em_pubsub *pubsub)
{
    if (!pubsub->clock_started)
        return;
    em_pubsub_lock(pubsub);
    pthread_cond_signal(&pubsub->clock_wake);
    em_pubsub_unlock(pubsub);
    pthread_join(pubsub->clock, NULL);
}
