#include "infra/local/emulator/pubsub/push.h"

#include "infra/local/emulator/identity.h"
#include "infra/local/emulator/pubsub/push_request.h"
#include "infra/local/emulator/pubsub/subscription.h"
#include "shared/base/clock.h"

/* Half the life of a token, so that no push carries one that is about to expire. */
#define TOKEN_REUSE_US INT64_C(1800000000)

static bool may_push(const struct em_subscription *subscription, int64_t now_us)
{
    return subscription->settings->push.endpoint && !TAILQ_EMPTY(&subscription->ready) &&
           subscription->pushes_outstanding < subscription->window.size &&
           subscription->window.not_before_us <= now_us;
}

static void fill_push(struct em_push *push, struct em_delivery *delivery, int64_t now_us)
{
    struct em_subscription *subscription = delivery->subscription;
    subscription->refs++;
    subscription->pushes_outstanding++;
    *push = (struct em_push){
        .delivery = delivery,
        .subscription = subscription,
        .settings = em_subscription_settings_ref(subscription->settings),
        .message = em_message_ref(delivery->message),
        .attempt = delivery->attempts,
        .round = subscription->window.round,
        .begun_us = now_us,
    };
    if (subscription->push_token && subscription->push_token_settings == subscription->settings &&
        now_us < subscription->push_token_until_us)
        push->token = strdup(subscription->push_token); /* without memory a new one is minted */
}

bool em_push_take_locked(struct em_pubsub *pubsub, struct em_push *push)
{
    const struct em_registry *registry = &pubsub->subscriptions;
    int64_t now_us = mr_time_monotonic_us();
    for (size_t i = 0; i < registry->count; i++) {
        size_t turn = (pubsub->push_turn + i) % registry->count;
        struct em_subscription *subscription = registry->entries[turn].value;
        if (!may_push(subscription, now_us))
            continue;
        struct em_delivery *delivery = em_delivery_push_locked(pubsub, subscription);
        if (!delivery)
            continue; /* all ready messages were older than the retention */
        fill_push(push, delivery, now_us);
        pubsub->push_turn = turn + 1;
        return true;
    }
    return false;
}

static bool is_stopping(void *ctx)
{
    return atomic_load(&((struct em_pubsub *)ctx)->stopping);
}

static void remember_token(struct em_pubsub *pubsub, const struct em_push *push)
{
    char *copy = strdup(push->token);
    if (!copy)
        return; /* the next push mints its own */
    em_pubsub_lock(pubsub);
    struct em_subscription *subscription = push->subscription;
    free(subscription->push_token);
    subscription->push_token = copy;
    em_subscription_settings_unref(subscription->push_token_settings);
    subscription->push_token_settings = em_subscription_settings_ref(push->settings);
    subscription->push_token_until_us = push->begun_us + TOKEN_REUSE_US;
    em_pubsub_unlock(pubsub);
}

static enum mr_status post(struct em_pubsub *pubsub, struct em_push *push, struct mr_err *err)
{
    const struct em_push_settings *settings = &push->settings->push;
    if (settings->oidc_email && !push->token) {
        enum mr_status status = em_identity_mint(pubsub->identity, settings->oidc_email,
                                                 settings->oidc_audience, &push->token, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "mint a token");
        remember_token(pubsub, push);
    }
    const struct em_push_request request = {
        .settings = push->settings,
        .message = push->message,
        .attempt = push->attempt,
        .token = push->token,
        .canceled = is_stopping,
        .canceled_ctx = pubsub,
    };
    return em_push_request_send(pubsub->http, &request, err);
}

static void settle_locked(struct em_pubsub *pubsub, struct em_push *push, bool acked)
{
    struct em_subscription *subscription = push->subscription;
    struct em_push_window *window = &subscription->window;
    int64_t now_us = mr_time_monotonic_us();
    subscription->pushes_outstanding--;
    if (acked) {
        em_push_window_acked(window, now_us - push->begun_us);
        em_delivery_ack_locked(pubsub, push->delivery);
    } else {
        em_push_window_nacked(window, push->round, now_us);
        em_delivery_nack_locked(pubsub, push->delivery);
    }
    if (!subscription->deleted && window->not_before_us > now_us)
        em_pubsub_timer_set_locked(pubsub, &subscription->resume, window->not_before_us);
    em_subscription_unref_locked(pubsub, subscription);
}

static void release_push(struct em_push *push)
{
    em_subscription_settings_unref(push->settings);
    em_message_unref(push->message);
    free(push->token);
}

void em_push_run(struct em_pubsub *pubsub, struct em_push *push)
{
    struct mr_err err;
    enum mr_status status = post(pubsub, push, &err);
    if (status != MR_OK && status != MR_CANCELED)
        mr_log_err(pubsub->log, MR_LOG_DEBUG, "pubsub: nack", &err, "{s:s,s:I,s:I}", "subscription",
                   push->settings->name, "message_id", (json_int_t)push->message->id, "attempt",
                   (json_int_t)push->attempt);
    em_pubsub_lock(pubsub);
    settle_locked(pubsub, push, status == MR_OK);
    em_pubsub_unlock(pubsub);
    release_push(push);
}
