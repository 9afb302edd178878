/* Topics in memory. Everything here needs the lock held. */
#ifndef EM_PUBSUB_TOPIC_H
#define EM_PUBSUB_TOPIC_H

#include "infra/local/emulator/pubsub/state.h"

/* Adds a topic with a copy of resource. MR_CONFLICT if the name exists, MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_topic_add_locked(struct em_pubsub *pubsub, const char *name,
                                                 const json_t *resource, struct mr_err *err);
/* MR_NOT_FOUND with Google's message. */
MR_MUST_CHECK enum mr_status em_topic_find_locked(struct em_pubsub *pubsub, const char *name,
                                                  struct em_topic **ret, struct mr_err *err);
/* Removes and frees a topic. Its subscriptions stay, without a topic. */
void em_topic_remove_locked(struct em_pubsub *pubsub, struct em_topic *topic);

/* Fail with Google's messages for a resource that exists (MR_CONFLICT) or does not exist (MR_NOT_FOUND). */
enum mr_status em_resource_exists(const char *name, struct mr_err *err);
enum mr_status em_resource_not_found(const char *name, struct mr_err *err);

#endif
