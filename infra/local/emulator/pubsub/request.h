/* What the handlers of Pub/Sub share. */
#ifndef EM_PUBSUB_REQUEST_H
#define EM_PUBSUB_REQUEST_H

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/pubsub/state.h"

/* The state behind the app pointer of a handler. */
static inline struct em_pubsub *em_pubsub_of(void *app)
{
    return ((struct em_app *)app)->pubsub;
}

/* Answers {}. */
MR_MUST_CHECK enum mr_status em_respond_empty_object(struct mr_request *req, struct mr_err *err);

/* Takes the lock and finds the topic or subscription in the request's path. On MR_OK the caller unlocks; on
 * failure the lock is released. MR_NOT_FOUND. */
MR_MUST_CHECK enum mr_status em_topic_lock(struct em_pubsub *pubsub, const struct mr_request *req,
                                           struct em_topic **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_subscription_lock(struct em_pubsub *pubsub, const struct mr_request *req,
                                                  struct em_subscription **ret, struct mr_err *err);

/* Answers with one page of a registry: {collection: [resources of the project], nextPageToken}. Takes the lock
 * itself. */
typedef json_t *em_resource_of(const void *value); /* borrowed */
MR_MUST_CHECK enum mr_status em_respond_page(struct em_pubsub *pubsub, struct mr_request *req,
                                             const struct em_registry *registry, const char *collection,
                                             em_resource_of *resource_of, struct mr_err *err);

#endif
