#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/handlers.h"

static json_t *subscription_resource(const void *value)
{
    return ((const struct mr_subscription *)value)->settings->resource;
}

enum mr_status mr_subscription_put(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = mr_pubsub_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_STR char *name = NULL;
    MR_AUTO(mr_subscription_settings) struct mr_subscription_settings *settings = NULL;
    enum mr_status status = mr_resource_id_check(mr_request_param(req, "s"), err);
    if (!status)
        status = mr_resource_name_of(req, "subscriptions", "s", &name, err);
    if (!status)
        status = mr_google_body(req, MR_PUBSUB_BODY_MAX, &body, err);
    if (!status)
        status = mr_subscription_settings_new(name, body, &settings, err);
    if (status)
        return status;
    json_t *answer = json_deep_copy(settings->resource);
    mr_store_lock(emulator);
    status = mr_subscription_add_locked(emulator, settings, err);
    mr_store_unlock(emulator);
    if (!status)
        return mr_respond_json(req, 200, answer, err);
    json_decref(answer);
    return status;
}

enum mr_status mr_subscription_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = mr_pubsub_of(app);
    struct mr_subscription *subscription = NULL;
    enum mr_status status = mr_subscription_lock(emulator, req, &subscription, err);
    if (status)
        return status;
    json_t *answer = json_deep_copy(subscription->settings->resource);
    mr_store_unlock(emulator);
    return mr_respond_json(req, 200, answer, err);
}

enum mr_status mr_subscription_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = mr_pubsub_of(app);
    return mr_respond_page(emulator, req, &emulator->subscriptions, "subscriptions", subscription_resource,
                           err);
}

enum mr_status mr_subscription_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = mr_pubsub_of(app);
    struct mr_subscription *subscription = NULL;
    enum mr_status status = mr_subscription_lock(emulator, req, &subscription, err);
    if (status)
        return status;
    mr_subscription_clear_locked(emulator, subscription);
    mr_subscription_remove_locked(emulator, subscription);
    mr_store_unlock(emulator);
    return mr_respond_empty_object(req, err);
}

/* ---- changes ---- */

/* Changes the subscription of the path; *ret_resource is its new resource, a reference for the caller. */
static enum mr_status change(struct mr_pubsub_emulator *emulator, struct mr_request *req, const json_t *body,
                             const char *mask, json_t **ret_resource, struct mr_err *err)
{
    struct mr_subscription *subscription = NULL;
    struct mr_subscription_settings *settings = NULL;
    enum mr_status status = mr_subscription_lock(emulator, req, &subscription, err);
    if (status)
        return status;
    status = mr_subscription_settings_patch(subscription->settings, body, mask, &settings, err);
    if (!status) {
        *ret_resource = json_deep_copy(settings->resource);
        mr_subscription_settings_unref(subscription->settings);
        subscription->settings = settings;
        mr_push_window_init(&subscription->window); /* another endpoint, perhaps: nothing is known of it */
        pthread_cond_broadcast(&subscription->available);
        mr_subscription_wake_locked(emulator, subscription);
    }
    mr_store_unlock(emulator);
    return status;
}

struct patch_body {
    json_t *subscription;
    const char *mask;
};
static const struct mr_field patch_fields[] = {
    {"subscription", mr_read_object, offsetof(struct patch_body, subscription)},
    {"updateMask", mr_read_string, offsetof(struct patch_body, mask)},
};

enum mr_status mr_subscription_patch(void *app, struct mr_request *req, struct mr_err *err)
{
    struct patch_body in = {.mask = ""};
    MR_AUTO_JSON json_t *body = NULL;
    json_t *answer = NULL;
    enum mr_status status = mr_google_body(req, MR_PUBSUB_BODY_MAX, &body, err);
    if (!status)
        status = mr_pubsub_fields_read(body, "", patch_fields, sizeof patch_fields / sizeof *patch_fields,
                                       &in, err);
    if (!status && !in.subscription)
        status = mr_fail(err, MR_INVALID, "The request needs a subscription.");
    if (!status)
        status = change(mr_pubsub_of(app), req, in.subscription, in.mask, &answer, err);
    return status ? status : mr_respond_json(req, 200, answer, err);
}

static const struct mr_field push_config_fields[] = {
    {"pushConfig", mr_read_object, 0},
};

enum mr_status mr_subscription_modify_push_config(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    json_t *push_config = NULL;
    enum mr_status status = mr_google_body(req, MR_PUBSUB_BODY_MAX, &body, err);
    if (!status)
        status = mr_pubsub_fields_read(body, "", push_config_fields, 1, &push_config, err);
    if (!status)
        status = change(mr_pubsub_of(app), req, body, "pushConfig", &resource, err);
    return status ? status : mr_respond_empty_object(req, err);
}

/* Takes the subscription off its topic for good; what it holds is lost. */
enum mr_status mr_subscription_detach(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = mr_pubsub_of(app);
    struct mr_subscription *subscription = NULL;
    enum mr_status status = mr_subscription_lock(emulator, req, &subscription, err);
    if (status)
        return status;
    mr_subscription_clear_locked(emulator, subscription);
    if (subscription->topic)
        TAILQ_REMOVE(&subscription->topic->subscriptions, subscription, of_topic);
    subscription->topic = NULL;
    mr_store_unlock(emulator);
    return mr_respond_empty_object(req, err);
}

struct seek_body {
    int64_t time_us;
};
static const struct mr_field seek_fields[] = {
    {"time", mr_read_time, offsetof(struct seek_body, time_us)},
    {"snapshot", mr_read_unimplemented, 0},
};

enum mr_status mr_subscription_seek(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = mr_pubsub_of(app);
    struct seek_body in = {.time_us = -1};
    struct mr_subscription *subscription = NULL;
    MR_AUTO_JSON json_t *body = NULL;
    enum mr_status status = mr_google_body(req, MR_PUBSUB_BODY_MAX, &body, err);
    if (!status)
        status =
            mr_pubsub_fields_read(body, "", seek_fields, sizeof seek_fields / sizeof *seek_fields, &in, err);
    if (!status && in.time_us < 0)
        status = mr_fail(err, MR_INVALID, "The request needs a time since 1970.");
    if (!status)
        status = mr_subscription_lock(emulator, req, &subscription, err);
    if (status)
        return status;
    mr_subscription_seek_locked(emulator, subscription, in.time_us);
    mr_store_unlock(emulator);
    return mr_respond_empty_object(req, err);
}
