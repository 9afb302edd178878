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
    struct em_delivery *delivery;
    struct em_subscription *subscription;      /* a reference */
    struct em_subscription_settings *settings; /* a reference */
    struct em_message *message;                /* a reference */
    char *token;                               /* NULL: none, or to be minted */
    int64_t attempt;
    uint64_t round;
    int64_t begun_us;
};

/* ---- taking ---- */

static bool may_push(const struct em_subscription *subscription, int64_t now_us)
{
    return subscription->settings->push.endpoint && !TAILQ_EMPTY(&subscription->ready) &&
           subscription->pushes_outstanding < subscription->window.size &&
           subscription->window.not_before_us <= now_us;
}

static void fill_push(struct push *push, struct em_delivery *delivery, int64_t now_us)
{
    struct em_subscription *subscription = delivery->subscription;
    subscription->refs++;
    subscription->pushes_outstanding++;
    *push = (struct push){
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
        push->token = strdup(subscription->push_token); /* NULL: it is minted anew */
}

/* False if there is nothing to push now. */
static bool take_push_locked(struct em_pubsub *pubsub, struct push *push)
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
            continue; /* all that was ready was too old */
        fill_push(push, delivery, now_us);
        pubsub->push_turn = turn + 1;
        return true;
    }
    return false;
}

/* ---- posting ---- */

static bool is_stopping(void *ctx)
{
    return atomic_load(&((struct em_pubsub *)ctx)->stopping);
}

static void remember_token(struct em_pubsub *pubsub, const struct push *push)
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

static enum mr_status post(struct em_pubsub *pubsub, struct push *push, struct mr_err *err)
{
    const struct em_push_settings *settings = &push->settings->push;
    if (settings->oidc_email && !push->token) {
        enum mr_status status = em_identity_mint(pubsub->identity, settings->oidc_email,
                                                 settings->oidc_audience, &push->token, err);
        if (status)
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

/* ---- settling ---- */

static void settle_locked(struct em_pubsub *pubsub, struct push *push, bool acked)
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

static void release_push(struct push *push)
{
    em_subscription_settings_unref(push->settings);
    em_message_unref(push->message);
    free(push->token);
}

/* ---- the threads ---- */

static void *pusher_main(void *ctx);

/* Keeps one pusher idle. A thread that cannot be had is no failure: those that run will get to the work. */
static void keep_one_idle_locked(struct em_pubsub *pubsub)
{
    if (pubsub->pushers_idle > 0) {
        pthread_cond_signal(&pubsub->push_wake); /* it looks for more to do */
        return;
    }
    if (pubsub->pusher_count == EM_PUSHERS_MAX || atomic_load(&pubsub->stopping))
        return;
    if (pthread_create(&pubsub->pushers[pubsub->pusher_count], NULL, pusher_main, pubsub) == 0)
        pubsub->pusher_count++;
}

static void push_one(struct em_pubsub *pubsub, struct push *push)
{
    struct mr_err err;
    enum mr_status status = post(pubsub, push, &err);
    if (status && status != MR_CANCELED)
        mr_log_err(pubsub->log, MR_LOG_DEBUG, "pubsub: nack", &err, "{s:s,s:I,s:I}", "subscription",
                   push->settings->name, "message_id", (json_int_t)push->message->id, "attempt",
                   (json_int_t)push->attempt);
    em_pubsub_lock(pubsub);
    settle_locked(pubsub, push, status == MR_OK);
    em_pubsub_unlock(pubsub);
    release_push(push);
}

static void *pusher_main(void *ctx)
{
    struct em_pubsub *pubsub = ctx;
    em_pubsub_lock(pubsub);
    while (!atomic_load(&pubsub->stopping)) {
        struct push push;
        if (take_push_locked(pubsub, &push)) {
            keep_one_idle_locked(pubsub);
            em_pubsub_unlock(pubsub);
            push_one(pubsub, &push);
            em_pubsub_lock(pubsub);
            continue;
        }
        pubsub->pushers_idle++;
        (void)em_pubsub_wait_locked(pubsub, &pubsub->push_wake, mr_time_monotonic_us() + FOREVER_US);
        pubsub->pushers_idle--;
    }
    em_pubsub_unlock(pubsub);
    return NULL;
}

enum mr_status em_pushers_start(struct em_pubsub *pubsub, struct mr_err *err)
{
    em_pubsub_lock(pubsub);
    keep_one_idle_locked(pubsub);
    bool started = pubsub->pusher_count > 0;
    em_pubsub_unlock(pubsub);
    return started ? MR_OK : mr_fail(err, MR_EXHAUSTED, "start the first pusher");
}

void em_pushers_join(struct em_pubsub *pubsub)
{
    em_pubsub_lock(pubsub);
    size_t count = pubsub->pusher_count; /* stopping: nobody adds to it any more */
    pthread_cond_broadcast(&pubsub->push_wake);
    em_pubsub_unlock(pubsub);
    for (size_t i = 0; i < count; i++)
        pthread_join(pubsub->pushers[i], NULL);
}
