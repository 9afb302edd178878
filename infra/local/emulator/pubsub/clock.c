#include "infra/local/emulator/pubsub/clock.h"

#include "infra/local/emulator/pubsub/delivery.h"
#include "shared/base/encoding.h"

#define EXPIRE_EVERY_US INT64_C(60000000)

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void fire_locked(struct mr_pubsub_emulator *emulator, struct mr_timer *timer)
{
    mr_timers_cancel(&emulator->timers, timer);
    if (timer->kind == MR_TIMER_SUBSCRIPTION)
        mr_subscription_wake_locked(emulator, CONTAINER_OF(timer, struct mr_subscription, resume));
    else
        mr_delivery_due_locked(emulator, CONTAINER_OF(timer, struct mr_delivery, timer));
}

static void expire_all_locked(struct mr_pubsub_emulator *emulator)
{
    for (size_t i = 0; i < emulator->subscriptions.count; i++)
        mr_subscription_expire_locked(emulator, emulator->subscriptions.entries[i].value);
}

static void *clock_main(void *ctx)
{
    struct mr_pubsub_emulator *emulator = ctx;
    int64_t expire_us = mr_time_monotonic_us() + EXPIRE_EVERY_US;
    mr_store_lock(emulator);
    while (!atomic_load(&emulator->stopping)) {
        int64_t now_us = mr_time_monotonic_us();
        struct mr_timer *first = mr_timers_first(&emulator->timers);
        if (first && first->due_us <= now_us) {
            fire_locked(emulator, first);
        } else if (expire_us <= now_us) {
            expire_all_locked(emulator);
            expire_us = now_us + EXPIRE_EVERY_US;
        } else {
            int64_t due_us = first && first->due_us < expire_us ? first->due_us : expire_us;
            (void)mr_store_wait_locked(emulator, &emulator->clock_wake, due_us);
        }
    }
    mr_store_unlock(emulator);
    return NULL;
}

enum mr_status mr_clock_start(struct mr_pubsub_emulator *emulator, struct mr_err *err)
{
    int failed = pthread_create(&emulator->clock, NULL, clock_main, emulator);
    if (failed)
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "start the clock thread");
    emulator->clock_started = true;
    return MR_OK;
}

void mr_clock_join(struct mr_pubsub_emulator *emulator)
{
    if (!emulator->clock_started)
        return;
    mr_store_lock(emulator);
    pthread_cond_signal(&emulator->clock_wake);
    mr_store_unlock(emulator);
    pthread_join(emulator->clock, NULL);
}
