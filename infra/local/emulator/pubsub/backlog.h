/* All messages of one subscription at once. Everything here needs the lock held. */
#ifndef EM_PUBSUB_BACKLOG_H
#define EM_PUBSUB_BACKLOG_H

#include "infra/local/emulator/pubsub/state.h"

/* Drops the messages that are older than the retention, in whatever state. */
void em_subscription_expire_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
/* Treats all messages before time_us (since 1970) as acked, and delivers the retained ones after it again. */
void em_subscription_seek_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                 int64_t time_us);
/* Drops all messages; call it before the subscription is removed. */
void em_subscription_clear_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);

#endif
