/* What the product calls outside: Pub/Sub, storage, the receivers of webhooks, clock, randomness. */
#include "shared/gcp/storage.h"
#include "tests/model/faults.h"
#include "tests/model/model.h"
#include "worker/webhook.h"

#include <inttypes.h>

enum {
    PUBLISH_FAILS_PERMILLE = 80,
    STORAGE_FAILS_PERMILLE = 30,
    RECEIVER_FAILS_PERMILLE = 150,
    ANSWER_US_MAX = 10 * SECOND_US
};

enum mr_status __wrap_mr_publish(const struct mr_publisher *publisher, const struct mr_message *messages,
                                 size_t count, int timeout_ms, struct mr_err *err);
enum mr_status __wrap_mr_storage_delete(struct mr_storage *storage, const char *name, struct mr_err *err);
enum mr_status __wrap_mr_storage_cancel_session(struct mr_storage *storage, const char *uri,
                                                struct mr_err *err);
enum mr_delivery_end __wrap_mr_webhook_send(struct mr_http_client *http, const struct mr_webhook *webhook,
                                            int *ret_status, struct mr_err *reason);
enum mr_delivery_end __wrap_mr_delivery_mail_send(void);
bool __wrap_mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id);
void __wrap_mr_bulkhead_leave(struct mr_bulkhead *bulkhead, int64_t user_id, bool slow);
int64_t __real_mr_time_monotonic_us(void);
int64_t __wrap_mr_time_monotonic_us(void);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
enum mr_status __wrap_mr_random_bytes(void *out, size_t len, struct mr_err *err);
enum mr_status __wrap_mr_uuid_generate(char out[MR_UUID_TEXT_MAX], struct mr_err *err);

enum mr_status __wrap_mr_publish(const struct mr_publisher *publisher, const struct mr_message *messages,
                                 size_t count, int timeout_ms, struct mr_err *err)
{
    struct model *model = the_model;
    (void)publisher, (void)timeout_ms;
    if (count == 0)
        return MR_OK;
    if (!model_turn(model))
        return mr_fail(err, MR_UNAVAILABLE, "process is dead");
    bool fails = model_chance(model, PUBLISH_FAILS_PERMILLE);
    size_t arrived = fails ? model_random(model, count + 1) : count;
    model_trace(model, " publish %zu of %zu: task %" PRId64 " generation %" PRId64, arrived, count,
                messages[0].task_id, messages[0].generation);
    for (size_t i = 0; i < arrived; i++)
        queue_publish(model, &messages[i]);
    model_wait(model, (int64_t)model_random(model, SECOND_US)); /* its answer takes a while */
    fails |= model_actor()->is_dead;
    return fails ? mr_fail(err, MR_UNAVAILABLE, "Pub/Sub did not answer") : MR_OK;
}

static int find(const struct model *model, const char *name)
{
    for (int i = 0; i < model->object_count; i++)
        if (strcmp(model->objects[i].name, name) == 0)
            return i;
    return -1;
}

bool world_has(const struct model *model, const char *name)
{
    return find(model, name) >= 0;
}

void world_put(struct model *model, const char *name)
{
    if (!model_turn(model) || world_has(model, name))
        return;
    if (model->object_count == OBJECTS_MAX)
        abort();
    snprintf(model->objects[model->object_count++].name, OBJECT_NAME_MAX, "%s", name);
    model_trace(model, " store %s", name);
}

enum mr_status __wrap_mr_storage_delete(struct mr_storage *storage, const char *name, struct mr_err *err)
{
    struct model *model = the_model;
    (void)storage;
    if (!model_turn(model) || model_chance(model, STORAGE_FAILS_PERMILLE))
        return mr_fail(err, MR_UNAVAILABLE, "storage did not answer");
    if (model->fault && model->fault->act == ACT_FORGET_BEFORE_DELETE && model_actor()->role == ROLE_SWEEP &&
        model_random(model, 4) == 0) {
        model->acted++;
        return MR_OK; /* the row is forgotten, the object is there */
    }
    int at = find(model, name);
    if (at >= 0)
        model->objects[at] = model->objects[--model->object_count];
    model_trace(model, " delete %s", name);
    return MR_OK;
}

enum mr_status __wrap_mr_storage_cancel_session(struct mr_storage *storage, const char *uri,
                                                struct mr_err *err)
{
    (void)storage, (void)uri, (void)err;
    return MR_OK;
}

/* A receiver sees the result of a task that has ended, once for each claim, and never after its row says `sent`. */
static void receive(struct model *model, const struct mr_webhook *webhook)
{
    const struct actor *actor = model_actor();
    const struct delivery_row *row = snapshot_delivery(&model->now, actor->delivery_id);
    MR_AUTO_JSON json_t *body = json_loads(webhook->body, 0, NULL);
    const char *status = json_string_value(json_object_get(body, "status"));
    if (!status || (strcmp(status, "processed") != 0 && strcmp(status, "failed") != 0))
        model_violate(model, "webhooks report ends", "webhook of a task that is %s",
                      status ? status : "unknown");
    if (row && row->fence == actor->delivery_fence && strcmp(row->status, "sent") == 0)
        model_violate(model, "one webhook for each end", "delivery %" PRId64 " was sent already", row->id);
}

enum mr_delivery_end __wrap_mr_webhook_send(struct mr_http_client *http, const struct mr_webhook *webhook,
                                            int *ret_status, struct mr_err *reason)
{
    struct model *model = the_model;
    (void)http;
    *ret_status = 0;
    model_wait(model, (int64_t)model_random(model, ANSWER_US_MAX));
    if (model_actor()->is_dead || model_chance(model, RECEIVER_FAILS_PERMILLE)) {
        mr_fail(reason, MR_UNAVAILABLE, "receiver did not answer");
        return MR_DELIVERY_RETRY;
    }
    receive(model, webhook);
    const struct delivery_row *row = snapshot_delivery(&model->now, model_actor()->delivery_id);
    if (row && row->task && row->generation < GENERATIONS_MAX)
        model->ghosts[row->task].webhooks[row->generation]++;
    model_trace(model, " webhook received");
    *ret_status = 200;
    return MR_DELIVERY_SENT;
}

enum mr_delivery_end __wrap_mr_delivery_mail_send(void)
{
    return MR_DELIVERY_SENT;
}

bool __wrap_mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id)
{
    (void)bulkhead, (void)user_id;
    return true;
}

void __wrap_mr_bulkhead_leave(struct mr_bulkhead *bulkhead, int64_t user_id, bool slow)
{
    (void)bulkhead, (void)user_id, (void)slow;
}

int64_t __wrap_mr_time_monotonic_us(void)
{
    return the_model ? the_model->now_us : __real_mr_time_monotonic_us();
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    model_wait(the_model, wanted->tv_sec * INT64_C(1000000) + wanted->tv_nsec / 1000);
    return 0;
}

enum mr_status __wrap_mr_random_bytes(void *out, size_t len, struct mr_err *err)
{
    unsigned char *bytes = out;
    (void)err;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)model_random(the_model, 256);
    return MR_OK;
}

enum mr_status __wrap_mr_uuid_generate(char out[MR_UUID_TEXT_MAX], struct mr_err *err)
{
    static const char pattern[] = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
    (void)err;
    for (size_t i = 0; i < sizeof pattern; i++)
        out[i] = pattern[i] == 'x' ? "0123456789abcdef"[model_random(the_model, 16)] : pattern[i];
    return MR_OK;
}
