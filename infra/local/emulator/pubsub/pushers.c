#include "infra/local/emulator/pubsub/pushers.h"

#include "infra/local/emulator/pubsub/push.h"
#include "shared/base/clock.h"

#define FOREVER_US (INT64_C(3600) * 1000000)

static void *pusher_main(void *ctx);

/* Keeps one pusher idle. If no thread can be created, the running ones do the work later. */
static void keep_one_idle_locked(struct em_pubsub *pubsub)
{
    if (pubsub->pushers_idle > 0) {
        pthread_cond_signal(&pubsub->push_wake); /* it looks for another push */
        return;
    }
    if (pubsub->pusher_count == EM_PUSHERS_MAX || atomic_load(&pubsub->stopping))
        return;
    if (pthread_create(&pubsub->pushers[pubsub->pusher_count], NULL, pusher_main, pubsub) == 0)
        pubsub->pusher_count++;
}

static void *pusher_main(void *ctx)
{
    struct em_pubsub *pubsub = ctx;
    em_pubsub_lock(pubsub);
    while (!atomic_load(&pubsub->stopping)) {
        struct em_push push;
        if (em_push_take_locked(pubsub, &push)) {
            keep_one_idle_locked(pubsub);
            em_pubsub_unlock(pubsub);
            em_push_run(pubsub, &push);
            em_pubsub_lock(pubsub);
            continue;
        }
        pubsub->pushers_idle++;
        (void)em_pubsub_wait_locked(pubsub, &pubsub->push_wake, mr_time_monotonic_us() + FOREVER_US);
        pubsub->pushers_idle--;
    }
    em_pubsub_unlock(pubsub);
    return NULL;
}

enum mr_status em_pushers_start(struct em_pubsub *pubsub, struct mr_err *err)
{
    em_pubsub_lock(pubsub);
    keep_one_idle_locked(pubsub);
    bool started = pubsub->pusher_count > 0;
    em_pubsub_unlock(pubsub);
    return started ? MR_OK : mr_fail(err, MR_EXHAUSTED, "cannot start the first pusher thread");
}

void em_pushers_join(struct em_pubsub *pubsub)
{
    em_pubsub_lock(pubsub);
    size_t count = pubsub->pusher_count; /* final, because `stopping` is set */
    pthread_cond_broadcast(&pubsub->push_wake);
    em_pubsub_unlock(pubsub);
    for (size_t i = 0; i < count; i++)
        pthread_join(pubsub->pushers[i], NULL);
}
