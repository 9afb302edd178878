/*
 * The emulator's Pub/Sub: the v1 REST API with push, as production behaves. Source:
 * https://cloud.google.com/pubsub/docs/reference/rest
 *
 * State lives in memory only and is gone when the process ends: whoever publishes needs an outbox, as it does
 * in production, where a topic may be deleted or a retention may pass. mediarun's sweep republishes what was
 * lost, and run.sh creates topics and subscriptions at every start.
 *
 * The rooms behind this door, lowest first (an arrow never runs upwards):
 *   pubsub_fields, _mask  validation of JSON bodies, names, durations and field masks, by tables
 *   pubsub_registry       named things in order
 *   pubsub_filter         the filter language of subscriptions
 *   pubsub_message        immutable, counted messages; what a publisher may send
 *   pubsub_settings       immutable, counted settings of a subscription
 *   pubsub_timer          the heap of deadlines
 *   pubsub_window         flow control and push backoff of one subscription (pure)
 *   pubsub_store          topics, subscriptions, and the one lock; the model of threads and owners
 *   pubsub_delivery       one message on its way to one subscription: queues, leases, retries, dead letters
 *   pubsub_clock          the thread that lets deadlines happen
 *   pubsub_push           the threads that push; pubsub_push_request makes the HTTP request of one push
 *   pubsub_topics, pubsub_subscriptions, pubsub_pull   the handlers; pubsub/pubsub.c holds their table
 */
#ifndef EM_PUBSUB_H
#define EM_PUBSUB_H

#include "shared/base/log.h"
#include "shared/http/client.h"
#include "shared/http/server.h"

struct em_identity;
struct em_pubsub;

/*
 * Starts the clock thread and the first pusher. http carries the pushes, identity signs their tokens, log
 * gets what no caller can be told (a push that fails); all three are borrowed and outlive the emulator.
 */
MR_MUST_CHECK enum mr_status em_pubsub_new(struct mr_http_client *http, struct em_identity *identity,
                                           const struct mr_log *log, struct em_pubsub **ret,
                                           struct mr_err *err);

/* Ends all threads (a push under way is cut off within about a second) and forgets everything. No handler may
 * run any more. */
void em_pubsub_free(struct em_pubsub *pubsub);
MR_DEFINE_CLEANUP(em_pubsub, em_pubsub_free)

/* The routes; the app pointer of their handlers is a struct em_app. */
const struct mr_route *em_pubsub_routes(size_t *ret_count);

#endif
