/*
 * Publishing to Pub/Sub over REST. Source:
 * https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish Any thread may call.
 */
#ifndef MR_GCP_PUBSUB_H
#define MR_GCP_PUBSUB_H

#include "shared/base/json.h"
#include "shared/gcp/token.h"
#include "shared/http/client.h"

struct mr_pubsub;

struct mr_pubsub_options {
    const char *emulator_host; /* PUBSUB_EMULATOR_HOST, host:port without scheme; NULL or "":
                                  https://pubsub.googleapis.com */
    const char *project;
    struct mr_token_source *tokens; /* NULL: no Authorization (emulators) */
};

MR_MUST_CHECK enum mr_status mr_pubsub_new(struct mr_http_client *http,
                                           const struct mr_pubsub_options *options, struct mr_pubsub **ret,
                                           struct mr_err *err);
void mr_pubsub_free(struct mr_pubsub *pubsub);
MR_DEFINE_CLEANUP(mr_pubsub, mr_pubsub_free)

/* Asks, for at most 15 s, whether one may publish to topic (short name): MR_DENIED if not, which is also the
 * answer for a topic that does not exist. */
MR_MUST_CHECK enum mr_status mr_pubsub_check_access(struct mr_pubsub *pubsub, const char *topic,
                                                    struct mr_err *err);

struct mr_pubsub_message {
    const char *data;              /* UTF-8 text, sent as base64 */
    const char *const *attributes; /* key, value, key, value, …, NULL; may be NULL */
};

/*
 * Publishes count messages (any number; split into requests of at most 1,000 messages and 9 MB) to topic
 * (short name). Repeats transient failures for up to timeout_ms in all. MR_OK: all of them are published. On
 * failure some may be: the reader of the messages has to stand doubles anyway.
 */
MR_MUST_CHECK enum mr_status mr_pubsub_publish(struct mr_pubsub *pubsub, const char *topic,
                                               const struct mr_pubsub_message *messages, size_t count,
                                               int timeout_ms, struct mr_err *err);

#endif
