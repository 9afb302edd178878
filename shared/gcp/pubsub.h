/*
 * Publishing to Pub/Sub over REST. Source:
 * https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish Any thread may call.
 */
#ifndef MR_GCP_PUBSUB_H
#define MR_GCP_PUBSUB_H

#include "shared/base/json.h"
#include "shared/gcp/refusals.h"
#include "shared/gcp/token.h"
#include "shared/http/client.h"

struct mr_pubsub;

struct mr_pubsub_options {
    const char *emulator_host; /* PUBSUB_EMULATOR_HOST, host:port without scheme; NULL or "":
                                  https://pubsub.googleapis.com */
    const char *project;
    struct mr_token_source *tokens; /* NULL: no Authorization (emulators) */
    struct mr_refusals *refusals;   /* NULL: refusals are not reported */
};

/* Texts are copied; http, tokens and refusals are not owned and must outlive the client. */
MR_MUST_CHECK enum mr_status mr_pubsub_new(struct mr_http_client *http,
                                           const struct mr_pubsub_options *options, struct mr_pubsub **ret,
                                           struct mr_err *err);
void mr_pubsub_free(struct mr_pubsub *pubsub);
MR_DEFINE_CLEANUP(mr_pubsub, mr_pubsub_free)

/* MR_OK if this account may publish to topic (short name); MR_DENIED if not, or if the topic does not exist.
 * Takes at most 15 s. */
MR_MUST_CHECK enum mr_status mr_pubsub_check_access(struct mr_pubsub *pubsub, const char *topic,
                                                    struct mr_err *err);

struct mr_pubsub_message {
    const char *data;              /* UTF-8 text; sent as base64 */
    const char *const *attributes; /* key, value, key, value, …, NULL; may be NULL */
};

/*
 * Publishes count messages to topic (short name), in requests of at most 1,000 messages and 9 MB. Retries
 * transient failures for up to timeout_ms in all. MR_OK: all of them are published. After a failure some may
 * be published: subscribers must expect duplicates anyway. MR_TOO_LARGE for a message over 9 MB. A refusal by
 * Pub/Sub is MR_UNAVAILABLE (refusals.h).
 */
MR_MUST_CHECK enum mr_status mr_pubsub_publish(struct mr_pubsub *pubsub, const char *topic,
                                               const struct mr_pubsub_message *messages, size_t count,
                                               int timeout_ms, struct mr_err *err);

#endif
