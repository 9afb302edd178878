/* The handlers of Pub/Sub's routes (the table is in pubsub/pubsub.c), and what they share. */
#ifndef MR_EMULATOR_PUBSUB_HANDLERS_H
#define MR_EMULATOR_PUBSUB_HANDLERS_H

#include "infra/local/emulator/emulator.h"
#include "infra/local/emulator/pubsub/store.h"

enum {
    MR_PUBSUB_BODY_MAX = 1 << 20,
    MR_PUBLISH_BODY_MAX = 16 << 20, /* 10 MB of data as base64, and the JSON around them */
};

mr_handler mr_topic_put;
mr_handler mr_topic_get;
mr_handler mr_topic_test_permissions;
mr_handler mr_topic_list;
mr_handler mr_topic_delete;
mr_handler mr_topic_publish;
mr_handler mr_topic_subscriptions;

mr_handler mr_subscription_put;
mr_handler mr_subscription_get;
mr_handler mr_subscription_list;
mr_handler mr_subscription_patch;
mr_handler mr_subscription_delete;
mr_handler mr_subscription_modify_push_config;
mr_handler mr_subscription_detach;
mr_handler mr_subscription_seek;

mr_handler mr_subscription_pull;
mr_handler mr_subscription_acknowledge;
mr_handler mr_subscription_modify_ack_deadline;

static inline struct mr_pubsub_emulator *mr_pubsub_of(void *app)
{
    return ((struct mr_emulator *)app)->pubsub;
}

/* Answers {}. */
MR_MUST_CHECK enum mr_status mr_respond_empty_object(struct mr_request *req, struct mr_err *err);

/* Finds the topic or subscription that the request's path names, with the lock taken: on MR_OK the caller
 * unlocks, otherwise it is free again. */
MR_MUST_CHECK enum mr_status mr_topic_lock(struct mr_pubsub_emulator *emulator, const struct mr_request *req,
                                           struct mr_topic **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_subscription_lock(struct mr_pubsub_emulator *emulator,
                                                  const struct mr_request *req, struct mr_subscription **ret,
                                                  struct mr_err *err);

/* Answers one page of a registry: {key: [resources below prefix], nextPageToken}. Takes the lock itself. */
typedef json_t *mr_resource_of(const void *value); /* borrowed */
MR_MUST_CHECK enum mr_status mr_respond_page(struct mr_pubsub_emulator *emulator, struct mr_request *req,
                                             const struct mr_registry *registry, const char *collection,
                                             mr_resource_of *resource_of, struct mr_err *err);

#endif
