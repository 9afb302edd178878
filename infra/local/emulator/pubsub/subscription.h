/* Subscriptions in memory. Everything here needs the lock held. */
#ifndef EM_PUBSUB_SUBSCRIPTION_H
#define EM_PUBSUB_SUBSCRIPTION_H

#include "infra/local/emulator/pubsub/state.h"

/* Adds a subscription to its topic; takes a reference to settings. MR_CONFLICT if the name exists, MR_NOT_FOUND
 * without the topic, MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_subscription_add_locked(struct em_pubsub *pubsub,
                                                        struct em_subscription_settings *settings,
                                                        struct mr_err *err);
/* MR_NOT_FOUND with Google's message. */
MR_MUST_CHECK enum mr_status em_subscription_find_locked(struct em_pubsub *pubsub, const char *name,
                                                         struct em_subscription **ret, struct mr_err *err);
/* Removes it from the registry, marks it deleted and drops the registry's reference. Its deliveries must have
 * been dropped: em_subscription_clear_locked. */
void em_subscription_remove_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
/* Drops a reference; the last one frees. */
void em_subscription_unref_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
/* Wakes a pusher, or a pull, that waits for messages of the subscription. */
void em_subscription_wake_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);

#endif
