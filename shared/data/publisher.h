/*
 * Publishes messages to the priority lanes: high, normal and deliveries have a topic and a push subscription
 * each, so that none waits behind another. A message's lane follows from its kind and priority; `kind`,
 * `priority` and `traceparent` are sent as attributes. With a tracer, the publication of a message that has a trace is a
 * span of it, and the message names that span as its parent. Any thread may call.
 */
#ifndef MR_DATA_PUBLISHER_H
#define MR_DATA_PUBLISHER_H

#include "shared/base/config.h"
#include "shared/data/message.h"
#include "shared/gcp/pubsub.h"
#include "shared/http/span.h"

enum mr_lane { MR_LANE_NORMAL, MR_LANE_HIGH, MR_LANE_DELIVERIES, MR_LANES };

struct mr_publisher {
    struct mr_pubsub *pubsub;     /* not owned */
    struct mr_tracer *tracer;     /* not owned; NULL: no traces */
    const char *topics[MR_LANES]; /* not owned */
};

/* How long a call of mr_publish may take, in ms, by what waits for it. */
enum {
    MR_PUBLISH_REQUEST_MS = 1500, /* a client whose task is committed; the sweep publishes what fails */
    MR_PUBLISH_JOB_MS = 2000,     /* the end of a job; the sweep publishes what fails */
    MR_PUBLISH_PING_MS = 5000,    /* a health check, which fails without its message */
    MR_PUBLISH_BULK_MS = 5000,    /* the capacity test, for each batch */
    MR_PUBLISH_SWEEP_MS = 20000,  /* the sweep, for each batch */
};

/* The topics of the configuration; both must outlive the publisher. */
struct mr_publisher mr_publisher_of(const struct mr_config *config, struct mr_pubsub *pubsub);

/* Kind deliver: deliveries; kind ping and priority high: high; the rest: normal. */
enum mr_lane mr_lane_of(const struct mr_message *message);

/* Publishes messages of one lane, so that a topic that fails concerns no other, in as few requests as possible, within
 * timeout_ms in all. MR_OK: all are published; after a failure some may be. */
MR_MUST_CHECK enum mr_status mr_publish(const struct mr_publisher *publisher,
                                        const struct mr_message *messages, size_t count, int timeout_ms,
                                        struct mr_err *err);

#endif
