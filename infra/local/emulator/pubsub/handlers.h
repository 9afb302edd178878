/* The handlers of Pub/Sub's routes (the table is in pubsub/pubsub.c), and what they share. */
#ifndef EM_PUBSUB_HANDLERS_H
#define EM_PUBSUB_HANDLERS_H

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/pubsub/store.h"

enum {
    EM_PUBSUB_BODY_MAX = 1 << 20,
    EM_PUBLISH_BODY_MAX = 16 << 20, /* 10 MB of data as base64, and the JSON around them */
};

mr_handler em_topic_put;
mr_handler em_topic_get;
mr_handler em_topic_test_permissions;
mr_handler em_topic_list;
mr_handler em_topic_delete;
mr_handler em_topic_publish;
mr_handler em_topic_subscriptions;

mr_handler em_subscription_put;
mr_handler em_subscription_get;
mr_handler em_subscription_list;
mr_handler em_subscription_patch;
mr_handler em_subscription_delete;
mr_handler em_subscription_modify_push_config;
mr_handler em_subscription_detach;
mr_handler em_subscription_seek;

mr_handler em_subscription_pull;
mr_handler em_subscription_acknowledge;
mr_handler em_subscription_modify_ack_deadline;

static inline struct em_pubsub *em_pubsub_of(void *app)
{
    return ((struct em_app *)app)->pubsub;
}

/* Answers {}. */
MR_MUST_CHECK enum mr_status em_respond_empty_object(struct mr_request *req, struct mr_err *err);

/* Finds the topic or subscription that the request's path names, with the lock taken: on MR_OK the caller
 * unlocks, otherwise it is free again. */
MR_MUST_CHECK enum mr_status em_topic_lock(struct em_pubsub *pubsub, const struct mr_request *req,
                                           struct em_topic **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_subscription_lock(struct em_pubsub *pubsub, const struct mr_request *req,
                                                  struct em_subscription **ret, struct mr_err *err);

/* Answers one page of a registry: {key: [resources below prefix], nextPageToken}. Takes the lock itself. */
typedef json_t *em_resource_of(const void *value); /* borrowed */
MR_MUST_CHECK enum mr_status em_respond_page(struct em_pubsub *pubsub, struct mr_request *req,
                                             const struct em_registry *registry, const char *collection,
                                             em_resource_of *resource_of, struct mr_err *err);

#endif
