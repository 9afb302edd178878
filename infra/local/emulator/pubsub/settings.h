/*
 * The settings of a subscription: immutable and counted. A change makes new settings; a push in progress keeps the
 * settings it started with. `resource` is the Subscription of the API with all defaults; all other fields are read
 * from it.
 * Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
 */
#ifndef EM_PUBSUB_SETTINGS_H
#define EM_PUBSUB_SETTINGS_H

#include "infra/local/emulator/pubsub/filter.h"

#include <stdatomic.h>
#include <stdint.h>

struct em_push_settings {
    const char *endpoint;   /* NULL: a pull subscription */
    const char *oidc_email; /* NULL: no Authorization */
    const char *oidc_audience;
    bool no_wrapper;
    bool write_metadata;
};

struct em_subscription_settings {
    atomic_uint refs;
    json_t *resource;
    const char *name;
    const char *topic;
    struct em_push_settings push;
    int64_t ack_deadline_us;
    bool has_retry_policy;
    int64_t min_backoff_us;
    int64_t max_backoff_us;
    const char *dead_letter_topic; /* NULL: none */
    int64_t max_delivery_attempts;
    int64_t retention_us;
    bool retain_acked;
    bool ordered;
    struct em_filter *filter;
};

/* Settings of the subscription `name` from the body of a request, which is copied. One reference. MR_INVALID for
 * what Google refuses, MR_UNSUPPORTED for what this emulator does not implement. */
MR_MUST_CHECK enum mr_status em_subscription_settings_new(const char *name, const json_t *body,
                                                          struct em_subscription_settings **ret,
                                                          struct mr_err *err);

/* `old` with the fields in `mask` (see api/mask.h) taken from body; a field that body lacks gets its default.
 * MR_INVALID for a field that cannot change. */
MR_MUST_CHECK enum mr_status em_subscription_settings_patch(const struct em_subscription_settings *old,
                                                            const json_t *body, const char *mask,
                                                            struct em_subscription_settings **ret,
                                                            struct mr_err *err);

/* Take and drop a reference; any thread. */
struct em_subscription_settings *em_subscription_settings_ref(struct em_subscription_settings *settings);
void em_subscription_settings_unref(struct em_subscription_settings *settings);
MR_DEFINE_CLEANUP(em_subscription_settings, em_subscription_settings_unref)

#endif
