#include "infra/local/emulator/pubsub/push.h"

#include "infra/local/emulator/identity.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/push_request.h"
#include "shared/base/encoding.h"

/* Half of a token's hour: no push carries one that is about to expire. */
#define TOKEN_REUSE_US INT64_C(1800000000)
#define FOREVER_US     (INT64_C(3600) * 1000000)

/* What a pusher holds while it posts. */
struct push {
    struct mr_delivery *delivery;
    struct mr_subscription *subscription;      /* a reference */
    struct mr_subscription_settings *settings; /* a reference */
    struct mr_message *message;                /* a reference */
    char *token;                               /* NULL: none, or to be minted */
    int64_t attempt;
    uint64_t round;
    int64_t begun_us;
};

/* ---- taking ---- */

static bool may_push(const struct mr_subscription *subscription, int64_t now_us)
{
    return subscription->settings->push.endpoint && !TAILQ_EMPTY(&subscription->ready) &&
           subscription->pushes_outstanding < subscription->window.size &&
           subscription->window.not_before_us <= now_us;
}

static void fill_push(struct push *push, struct mr_delivery *delivery, int64_t now_us)
{
    struct mr_subscription *subscription = delivery->subscription;
    subscription->refs++;
    subscription->pushes_outstanding++;
    *push = (struct push){
        .delivery = delivery,
        .subscription = subscription,
        .settings = mr_subscription_settings_ref(subscription->settings),
        .message = mr_message_ref(delivery->message),
        .attempt = delivery->attempts,
        .round = subscription->window.round,
        .begun_us = now_us,
    };
    if (subscription->push_token && subscription->push_token_settings == subscription->settings &&
        now_us < subscription->push_token_until_us)
        push->token = strdup(subscription->push_token); /* NULL: it is minted anew */
}

/* False if there is nothing to push now. */
static bool take_push_locked(struct mr_pubsub_emulator *emulator, struct push *push)
{
    const struct mr_registry *registry = &emulator->subscriptions;
    int64_t now_us = mr_time_monotonic_us();
    for (size_t i = 0; i < registry->count; i++) {
        size_t turn = (emulator->push_turn + i) % registry->count;
        struct mr_subscription *subscription = registry->entries[turn].value;
        if (!may_push(subscription, now_us))
            continue;
        struct mr_delivery *delivery = mr_delivery_push_locked(emulator, subscription);
        if (!delivery)
            continue; /* all that was ready was too old */
        fill_push(push, delivery, now_us);
        emulator->push_turn = turn + 1;
        return true;
    }
    return false;
}

/* ---- posting ---- */

static bool is_stopping(void *ctx)
{
    return atomic_load(&((struct mr_pubsub_emulator *)ctx)->stopping);
}

static void remember_token(struct mr_pubsub_emulator *emulator, const struct push *push)
{
    char *copy = strdup(push->token);
    if (!copy)
        return; /* the next push mints its own */
    mr_store_lock(emulator);
    struct mr_subscription *subscription = push->subscription;
    free(subscription->push_token);
    subscription->push_token = copy;
    mr_subscription_settings_unref(subscription->push_token_settings);
    subscription->push_token_settings = mr_subscription_settings_ref(push->settings);
    subscription->push_token_until_us = push->begun_us + TOKEN_REUSE_US;
    mr_store_unlock(emulator);
}

static enum mr_status post(struct mr_pubsub_emulator *emulator, struct push *push, struct mr_err *err)
{
    const struct mr_push_settings *settings = &push->settings->push;
    if (settings->oidc_email && !push->token) {
        enum mr_status status = mr_identity_mint(emulator->identity, settings->oidc_email,
                                                 settings->oidc_audience, &push->token, err);
        if (status)
            return mr_wrap(err, status, "mint a token");
        remember_token(emulator, push);
    }
    const struct mr_push_request request = {
        .settings = push->settings,
        .message = push->message,
        .attempt = push->attempt,
        .token = push->token,
        .canceled = is_stopping,
        .canceled_ctx = emulator,
    };
    return mr_push_request_send(emulator->http, &request, err);
}

/* ---- settling ---- */

static void settle_locked(struct mr_pubsub_emulator *emulator, struct push *push, bool acked)
{
    struct mr_subscription *subscription = push->subscription;
    struct mr_push_window *window = &subscription->window;
    int64_t now_us = mr_time_monotonic_us();
    subscription->pushes_outstanding--;
    if (acked) {
        mr_push_window_acked(window, now_us - push->begun_us);
        mr_delivery_ack_locked(emulator, push->delivery);
    } else {
        mr_push_window_nacked(window, push->round, now_us);
        mr_delivery_nack_locked(emulator, push->delivery);
    }
    if (!subscription->deleted && window->not_before_us > now_us)
        mr_store_timer_set_locked(emulator, &subscription->resume, window->not_before_us);
    mr_subscription_unref_locked(emulator, subscription);
}

static void release_push(struct push *push)
{
    mr_subscription_settings_unref(push->settings);
    mr_message_unref(push->message);
    free(push->token);
}

/* ---- the threads ---- */

static void *pusher_main(void *ctx);

/* Keeps one pusher idle. A thread that cannot be had is no failure: those that run will get to the work. */
static void keep_one_idle_locked(struct mr_pubsub_emulator *emulator)
{
    if (emulator->pushers_idle > 0) {
        pthread_cond_signal(&emulator->push_wake); /* it looks for more to do */
        return;
    }
    if (emulator->pusher_count == MR_PUSHERS_MAX || atomic_load(&emulator->stopping))
        return;
    if (pthread_create(&emulator->pushers[emulator->pusher_count], NULL, pusher_main, emulator) == 0)
        emulator->pusher_count++;
}

static void push_one(struct mr_pubsub_emulator *emulator, struct push *push)
{
    struct mr_err err;
    enum mr_status status = post(emulator, push, &err);
    if (status && status != MR_CANCELED)
        mr_log_err(emulator->log, MR_LOG_DEBUG, "pubsub: nack", &err, "{s:s,s:I,s:I}", "subscription",
                   push->settings->name, "message_id", (json_int_t)push->message->id, "attempt",
                   (json_int_t)push->attempt);
    mr_store_lock(emulator);
    settle_locked(emulator, push, status == MR_OK);
    mr_store_unlock(emulator);
    release_push(push);
}

static void *pusher_main(void *ctx)
{
    struct mr_pubsub_emulator *emulator = ctx;
    mr_store_lock(emulator);
    while (!atomic_load(&emulator->stopping)) {
        struct push push;
        if (take_push_locked(emulator, &push)) {
            keep_one_idle_locked(emulator);
            mr_store_unlock(emulator);
            push_one(emulator, &push);
            mr_store_lock(emulator);
            continue;
        }
        emulator->pushers_idle++;
        (void)mr_store_wait_locked(emulator, &emulator->push_wake, mr_time_monotonic_us() + FOREVER_US);
        emulator->pushers_idle--;
    }
    mr_store_unlock(emulator);
    return NULL;
}

enum mr_status mr_pushers_start(struct mr_pubsub_emulator *emulator, struct mr_err *err)
{
    mr_store_lock(emulator);
    keep_one_idle_locked(emulator);
    bool started = emulator->pusher_count > 0;
    mr_store_unlock(emulator);
    return started ? MR_OK : mr_fail(err, MR_EXHAUSTED, "start the first pusher");
}

void mr_pushers_join(struct mr_pubsub_emulator *emulator)
{
    mr_store_lock(emulator);
    size_t count = emulator->pusher_count; /* stopping: nobody adds to it any more */
    pthread_cond_broadcast(&emulator->push_wake);
    mr_store_unlock(emulator);
    for (size_t i = 0; i < count; i++)
        pthread_join(emulator->pushers[i], NULL);
}
