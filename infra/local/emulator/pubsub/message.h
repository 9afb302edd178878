/*
 * A message as its publisher sent it: immutable and counted, shared by all subscriptions of the topic, by pushes
 * in progress and by answers to pulls. Any thread may take and drop references.
 */
#ifndef EM_PUBSUB_MESSAGE_H
#define EM_PUBSUB_MESSAGE_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

#include <stdatomic.h>
#include <stdint.h>

struct em_message {
    atomic_uint refs;
    int64_t id;
    int64_t publish_us;       /* since 1970, in whole milliseconds */
    size_t size;              /* of its data, roughly what it takes in memory */
    const char *ordering_key; /* "" if none */
    const json_t *attributes; /* NULL if none */
    json_t *body; /* the PubsubMessage of the API: data, attributes, messageId, publishTime, orderingKey */
};

/*
 * Checks one element of `messages` in a publish request against Google's limits, and adds the decoded size of its
 * data, attributes and key to *size. MR_INVALID.
 * Source: https://cloud.google.com/pubsub/quotas#resource_limits
 */
MR_MUST_CHECK enum mr_status em_message_check(json_t *input, size_t *size, struct mr_err *err);

/* Makes a message of a checked input, which is copied. One reference. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_message_new(const json_t *input, int64_t id, int64_t now_us,
                                            struct em_message **ret, struct mr_err *err);

/* Makes a message again from the text of its body (JSON), when it was published at publish_us. */
MR_MUST_CHECK enum mr_status em_message_restore(const char *text, int64_t publish_us, struct em_message **ret,
                                                struct mr_err *err);

/* Where a dead letter comes from. */
struct em_dead_letter_source {
    const char *subscription; /* full name */
    int64_t delivery_count;
};
/* A copy of `from` for a dead-letter topic, with the CloudPubSubDeadLetterSource… attributes. */
MR_MUST_CHECK enum mr_status em_message_new_dead_letter(const struct em_message *from,
                                                        const struct em_dead_letter_source *source,
                                                        int64_t id, int64_t now_us, struct em_message **ret,
                                                        struct mr_err *err);

struct em_message *em_message_ref(struct em_message *message);
void em_message_unref(struct em_message *message);
MR_DEFINE_CLEANUP(em_message, em_message_unref)

#endif
