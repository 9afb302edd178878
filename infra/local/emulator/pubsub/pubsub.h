/*
 * The emulator's Pub/Sub: the v1 REST API with push subscriptions, behaving as production does.
 * Source: https://cloud.google.com/pubsub/docs/reference/rest
 *
 * State is gone when the process ends. It is in memory, but for what is behind the first thousands of messages of a long
 * queue, which is on disk (backlog.h). A publisher needs an outbox, as in production,
 * where a topic can be deleted or a retention can pass: mediarun's sweep publishes again what was lost, and
 * run.sh creates topics and subscriptions at every start.
 *
 * The files, lowest first; none includes a later one:
 *   message            immutable, counted messages; what a publisher may send
 *   filter*            the filter language of subscriptions
 *   settings*          immutable, counted settings of a subscription
 *   spill              messages on disk
 *   timer              a heap of deadlines
 *   window             flow control and push backoff of one subscription (pure)
 *   state              what Pub/Sub holds, and its one lock; the model of threads and owners
 *   topic, subscription   the two kinds of resources in memory
 *   delivery*, backlog    one message on its way to one subscription; all messages of one subscription
 *   clock              the thread that fires deadlines
 *   push_request, push, pushers   the HTTP request of one push; one push; the threads that push
 *   request, *_handler(s).c       what the handlers share, and the handlers
 */
#ifndef EM_PUBSUB_H
#define EM_PUBSUB_H

#include "infra/local/emulator/api/router.h"
#include "shared/base/log.h"
#include "shared/http/client.h"
#include "shared/http/server.h"

struct em_identity;
struct em_pubsub;

/*
 * Starts the clock thread and the first pusher. directory gets the files of long queues, http sends the pushes, identity
 * signs their tokens, log gets the failures that no caller sees (a failed push). All four are borrowed and must outlive
 * *ret. MR_EXHAUSTED without memory or threads.
 */
MR_MUST_CHECK enum mr_status em_pubsub_new(const char *directory, struct mr_http_client *http,
                                           struct em_identity *identity, const struct mr_log *log,
                                           struct em_pubsub **ret, struct mr_err *err);

/* Stops all threads (a push in progress is aborted within about a second) and frees everything. No handler may
 * still be running. */
void em_pubsub_free(struct em_pubsub *pubsub);
MR_DEFINE_CLEANUP(em_pubsub, em_pubsub_free)

/* What is spoken of it; the app pointer of the handlers is a struct em_app. */
const struct em_spoken *em_pubsub_rows(size_t *ret_count);

#endif
