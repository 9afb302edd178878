/*
 * What Pub/Sub holds: topics, subscriptions, and the one lock around all that changes.
 *
 * Threads: the server's (handlers), the clock (pubsub/clock.h) and the pushers (pubsub/push.h). Functions
 * that need the lock held end in _locked. Nobody holds it over I/O, signing or JSON text; messages and
 * settings are immutable and counted, so a thread takes a reference under the lock and works without it.
 * JSON is copied where it crosses to another thread: jansson counts references, but orders nothing by them.
 *
 * Owners: the registries own topics and subscriptions (a subscription is counted besides, because a push or a
 * waiting pull may outlast its deletion: `deleted`); a subscription owns its deliveries; a delivery holds a
 * reference of its message.
 */
#ifndef EM_PUBSUB_STORE_H
#define EM_PUBSUB_STORE_H

#include "infra/local/emulator/pubsub/message.h"
#include "infra/local/emulator/pubsub/registry.h"
#include "infra/local/emulator/pubsub/settings.h"
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
    size_t refs; /* the registry's, and one for each thread that works with it */
    bool deleted;
    char *name;
    struct em_subscription_settings *settings;
    struct em_topic *topic; /* NULL once the topic is deleted */
    TAILQ_ENTRY(em_subscription) of_topic;
    struct em_deliveries all;   /* by age */
    struct em_deliveries ready; /* in the order in which they became so */
    void *leases;               /* tsearch tree of struct em_delivery by lease_id */
    void *ordering_keys;        /* tsearch tree of struct em_ordering_key */
    pthread_cond_t available;   /* pulls wait here */
    struct em_timer resume;     /* the end of the push backoff */
    struct em_push_window window;
    int pushes_outstanding;
    char *push_token; /* the last OIDC token, good until push_token_until_us (monotonic) */
    struct em_subscription_settings *push_token_settings; /* those it was made for */
    int64_t push_token_until_us;
};

enum { EM_PUSHERS_MAX = 512 };

struct em_pubsub {
    struct mr_http_client *http; /* borrowed, as the next two */
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
    size_t push_turn; /* the subscription to look at first, so that each gets its turn */
};

/* Initialises what is below the line, and its opposite; no thread may be left. */
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
/* A condition variable that waits by CLOCK_MONOTONIC; and a wait until due_us on it. False when due. */
MR_MUST_CHECK enum mr_status em_pubsub_cond_init(pthread_cond_t *cond, struct mr_err *err);
bool em_pubsub_wait_locked(struct em_pubsub *pubsub, pthread_cond_t *cond, int64_t due_us);

/* MR_CONFLICT if the name exists. Takes the reference of resource, also on failure. */
MR_MUST_CHECK enum mr_status em_topic_add_locked(struct em_pubsub *pubsub, const char *name, json_t *resource,
                                                 struct mr_err *err);
/* MR_NOT_FOUND with Google's sentence. */
MR_MUST_CHECK enum mr_status em_topic_find_locked(struct em_pubsub *pubsub, const char *name,
                                                  struct em_topic **ret, struct mr_err *err);
/* Its subscriptions stay, without a topic. */
void em_topic_remove_locked(struct em_pubsub *pubsub, struct em_topic *topic);

/* Adds a subscription to its topic; takes a reference of settings. MR_CONFLICT, MR_NOT_FOUND (topic). */
MR_MUST_CHECK enum mr_status em_subscription_add_locked(struct em_pubsub *pubsub,
                                                        struct em_subscription_settings *settings,
                                                        struct mr_err *err);
MR_MUST_CHECK enum mr_status em_subscription_find_locked(struct em_pubsub *pubsub, const char *name,
                                                         struct em_subscription **ret, struct mr_err *err);
/* Takes it out of the registry and marks it deleted; its deliveries must have been dropped. */
void em_subscription_remove_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
void em_subscription_unref_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);

/* Sets a timer and wakes the clock if it is due first now. */
void em_pubsub_timer_set_locked(struct em_pubsub *pubsub, struct em_timer *timer, int64_t due_us);

#endif
