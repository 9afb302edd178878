/* Handlers of subscriptions: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/pubsub/backlog.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/request.h"
#include "infra/local/emulator/pubsub/subscription.h"

static json_t *subscription_resource(const void *value)
{
    return ((const struct em_subscription *)value)->settings->resource;
}

enum mr_status em_subscription_put(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_STR char *name = NULL;
    MR_AUTO(em_subscription_settings) struct em_subscription_settings *settings = NULL;
    MR_TRY(em_resource_id_check(mr_request_param(req, "s"), err));
    MR_TRY(em_resource_name_of(req, "subscriptions", "s", &name, err));
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_subscription_settings_new(name, body, &settings, err));
    MR_AUTO_JSON json_t *answer = json_deep_copy(settings->resource);
    em_pubsub_lock(pubsub);
    enum mr_status status = em_subscription_add_locked(pubsub, settings, err);
    em_pubsub_unlock(pubsub);
    if (status != MR_OK)
        return status;
    return mr_respond_json(req, 200, MR_TAKE(answer), err);
}

enum mr_status em_subscription_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_subscription *subscription = NULL;
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    json_t *answer = json_deep_copy(subscription->settings->resource);
    em_pubsub_unlock(pubsub);
    return mr_respond_json(req, 200, answer, err);
}

enum mr_status em_subscription_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    return em_respond_page(pubsub, req, &pubsub->subscriptions, "subscriptions", subscription_resource, err);
}

enum mr_status em_subscription_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_subscription *subscription = NULL;
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    em_subscription_clear_locked(pubsub, subscription);
    em_subscription_remove_locked(pubsub, subscription);
    em_pubsub_unlock(pubsub);
    return em_respond_empty_object(req, err);
}

static enum mr_status change_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                    const json_t *body, const char *mask, json_t **ret_resource,
                                    struct mr_err *err)
{
    struct em_subscription_settings *settings = NULL;
    MR_TRY(em_subscription_settings_patch(subscription->settings, body, mask, &settings, err));
    *ret_resource = json_deep_copy(settings->resource);
    em_subscription_settings_unref(subscription->settings);
    subscription->settings = settings;
    em_push_window_init(&subscription->window); /* the endpoint may be new, so start again */
    pthread_cond_broadcast(&subscription->available);
    em_subscription_wake_locked(pubsub, subscription);
    return MR_OK;
}

/* Changes the subscription in the path. The caller owns *ret_resource, its new resource. */
static enum mr_status change(struct em_pubsub *pubsub, struct mr_request *req, const json_t *body,
                             const char *mask, json_t **ret_resource, struct mr_err *err)
{
    struct em_subscription *subscription = NULL;
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    enum mr_status status = change_locked(pubsub, subscription, body, mask, ret_resource, err);
    em_pubsub_unlock(pubsub);
    return status;
}

struct patch_body {
    json_t *subscription;
    const char *mask;
};
static const struct em_field patch_fields[] = {
    {"subscription", em_read_object, offsetof(struct patch_body, subscription)},
    {"updateMask", em_read_string, offsetof(struct patch_body, mask)},
};

enum mr_status em_subscription_patch(void *app, struct mr_request *req, struct mr_err *err)
{
    struct patch_body in = {.mask = ""};
    MR_AUTO_JSON json_t *body = NULL;
    json_t *answer = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_fields_read(body, "", patch_fields, EM_COUNT(patch_fields), &in, err));
    if (!in.subscription)
        return mr_fail(err, MR_INVALID, "The request needs a subscription.");
    MR_TRY(change(em_pubsub_of(app), req, in.subscription, in.mask, &answer, err));
    return mr_respond_json(req, 200, answer, err);
}

static const struct em_field push_config_fields[] = {
    {"pushConfig", em_read_object, 0},
};

enum mr_status em_subscription_modify_push_config(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    json_t *push_config = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_fields_read(body, "", push_config_fields, 1, &push_config, err));
    MR_TRY(change(em_pubsub_of(app), req, body, "pushConfig", &resource, err));
    return em_respond_empty_object(req, err);
}

/* Detaches the subscription from its topic for good; its messages are dropped. */
enum mr_status em_subscription_detach(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_subscription *subscription = NULL;
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    em_subscription_clear_locked(pubsub, subscription);
    if (subscription->topic)
        TAILQ_REMOVE(&subscription->topic->subscriptions, subscription, of_topic);
    subscription->topic = NULL;
    em_pubsub_unlock(pubsub);
    return em_respond_empty_object(req, err);
}

struct seek_body {
    int64_t time_us;
};
static const struct em_field seek_fields[] = {
    {"time", em_read_time, offsetof(struct seek_body, time_us)},
    {"snapshot", em_read_unimplemented, 0},
};

enum mr_status em_subscription_seek(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct seek_body in = {.time_us = -1};
    struct em_subscription *subscription = NULL;
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_fields_read(body, "", seek_fields, EM_COUNT(seek_fields), &in, err));
    if (in.time_us < 0)
        return mr_fail(err, MR_INVALID, "The request needs a time since 1970.");
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    em_subscription_seek_locked(pubsub, subscription, in.time_us);
    em_pubsub_unlock(pubsub);
    return em_respond_empty_object(req, err);
}
