/*
 * What Pub/Sub holds: topics, subscriptions, and one lock for all that changes.
 *
 * Threads: the server's (handlers), the clock (pubsub/clock.h) and the pushers (pubsub/pushers.h). Functions
 * that need the lock held end in _locked. The lock is never held during I/O, signing or JSON encoding, but for the part
 * of a long queue that is on disk (spill.h): messages and settings are immutable and counted, so a thread takes a
 * reference under the lock and works without it. JSON is copied when it crosses to another thread, because jansson's
 * reference counts order no memory accesses.
 *
 * Owners: the registries own topics and subscriptions. A subscription is counted as well, because a push or a
 * waiting pull may outlast its deletion (`deleted`). A subscription owns its deliveries; a delivery holds a
 * reference to its message.
 */
#ifndef EM_PUBSUB_STATE_H
#define EM_PUBSUB_STATE_H

#include "infra/local/emulator/api/registry.h"
#include "infra/local/emulator/pubsub/message.h"
#include "infra/local/emulator/pubsub/settings.h"
#include "infra/local/emulator/pubsub/spill.h"
#include "infra/local/emulator/pubsub/timer.h"
#include "infra/local/emulator/pubsub/window.h"
#include "shared/base/log.h"
#include "shared/http/client.h"

#include <pthread.h>
#include <sys/queue.h>

struct em_identity;
struct em_delivery;
struct em_subscription;
TAILQ_HEAD(em_deliveries, em_delivery);
TAILQ_HEAD(em_subscriptions, em_subscription);

struct em_topic {
    char *name;
    json_t *resource; /* the Topic of the API */
    struct em_subscriptions subscriptions;
};

struct em_subscription {
    size_t refs; /* the registry's, and one for each thread that uses it */
    bool deleted;
    char *name;
    struct em_subscription_settings *settings;
    struct em_topic *topic; /* NULL once the topic is deleted */
    TAILQ_ENTRY(em_subscription) of_topic;
    struct em_deliveries all;   /* oldest first */
    struct em_deliveries ready; /* in the order in which they became ready */
    int64_t held, held_bytes;   /* deliveries in `all`, and the sizes of their messages */
    struct em_spill spill;      /* messages behind all of these, on disk (backlog.h) */
    int64_t sought_us;          /* messages on disk from before are treated as acked */
    void *leases;               /* tsearch tree of struct em_delivery by lease_id */
    void *ordering_keys;        /* tsearch tree of struct em_ordering_key */
    pthread_cond_t available;   /* pulls wait here */
    struct em_timer resume;     /* the end of the push backoff */
    struct em_push_window window;
    int pushes_outstanding;
    char *push_token; /* the last OIDC token; reused until push_token_until_us (monotonic) */
    struct em_subscription_settings *push_token_settings; /* the settings that the token was made for */
    int64_t push_token_until_us;
};

enum { EM_PUSHERS_MAX = 512 };

struct em_pubsub {
    const char *directory; /* for queues on disk; borrowed, as the next three */
    struct mr_http_client *http;
    const struct em_identity *identity;
    const struct mr_log *log;
    atomic_bool stopping;
    pthread_mutex_t lock;
    /* All fields below are protected by lock. */
    struct em_registry topics;
    struct em_registry subscriptions;
    struct em_timers timers;
    int64_t last_message_id;
    int64_t last_lease_id;
    pthread_cond_t clock_wake;
    pthread_t clock;
    bool clock_started;
    pthread_cond_t push_wake;
    pthread_t pushers[EM_PUSHERS_MAX];
    size_t pusher_count;
    size_t pushers_idle;
    size_t push_turn; /* index of the subscription to try first, so that each gets its turn */
};

/* Initialises the fields after `stopping`, and destroys them; destroy needs empty registries and no threads. */
MR_MUST_CHECK enum mr_status em_pubsub_state_init(struct em_pubsub *pubsub, struct mr_err *err);
void em_pubsub_state_destroy(struct em_pubsub *pubsub);

static inline void em_pubsub_lock(struct em_pubsub *pubsub)
{
    pthread_mutex_lock(&pubsub->lock);
}
static inline void em_pubsub_unlock(struct em_pubsub *pubsub)
{
    pthread_mutex_unlock(&pubsub->lock);
}
/* A condition variable that uses CLOCK_MONOTONIC, and a wait on it until due_us; false if due_us has passed. */
MR_MUST_CHECK enum mr_status em_pubsub_cond_init(pthread_cond_t *cond, struct mr_err *err);
bool em_pubsub_wait_locked(struct em_pubsub *pubsub, pthread_cond_t *cond, int64_t due_us);

/* Sets a timer, and wakes the clock if it is now the first one due. */
void em_pubsub_timer_set_locked(struct em_pubsub *pubsub, struct em_timer *timer, int64_t due_us);

#endif
