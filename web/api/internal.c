/*
 * What the platform calls: Cloud Scheduler the sweep, Pub/Sub the dead letters. Both show an OIDC token.
 */
#include "shared/data/leases.h"
#include "shared/data/outbox.h"
#include "shared/data/strays.h"
#include "shared/gcp/push.h"
#include "web/api/api.h"
#include "web/outbox_publisher.h"

enum {
    SWEEP_BATCH = 500,
    SWEEP_ROUNDS = 20,
    STRAYS_BATCH = 200,
    PUBLISH_TIMEOUT_MS = 20000,
    PUSH_MAX = 1 << 20
};

static enum mr_status check_caller(struct mr_web *web, const struct mr_request *req, struct mr_err *err)
{
    return mr_oidc_check(web->cloud.oidc, mr_request_header(req, "Authorization"), err);
}

/* ---- sweep ------------------------------------------------------------------------- */

/* One batch of owed messages; *ret_count is how many there were. */
static enum mr_status republish_batch(struct mr_web *web, size_t *ret_count, struct mr_err *err)
{
    struct mr_message *due = calloc(SWEEP_BATCH, sizeof *due);
    int64_t ids[SWEEP_BATCH];
    if (!due)
        return mr_fail_oom(err);
    enum mr_status status =
        mr_outbox_due(web->db, web->config->republish_after_s, due, SWEEP_BATCH, ret_count, err);
    if (status == MR_OK)
        status = mr_outbox_publish(web->cloud.pubsub, web->config->topic, due, *ret_count, PUBLISH_TIMEOUT_MS,
                                   err);
    for (size_t i = 0; status == MR_OK && i < *ret_count; i++)
        ids[i] = due[i].task_id;
    if (status == MR_OK && *ret_count)
        status = mr_outbox_mark(web->db, ids, *ret_count, err);
    free(due);
    return status;
}

static enum mr_status republish(struct mr_web *web, int64_t *ret_total, struct mr_err *err)
{
    size_t count = SWEEP_BATCH;
    for (int round = 0; round < SWEEP_ROUNDS && count == SWEEP_BATCH; round++) {
        enum mr_status status = republish_batch(web, &count, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "republish");
        *ret_total += (int64_t)count;
    }
    return MR_OK;
}

static enum mr_status delete_strays(struct mr_web *web, int64_t *ret_total, struct mr_err *err)
{
    MR_AUTO_JSON json_t *names = NULL;
    enum mr_status status = mr_strays_due(web->db, STRAYS_BATCH, &names, err);
    for (size_t i = 0; status == MR_OK && i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        status = mr_storage_delete(web->cloud.storage, name, err);
        if (status == MR_OK)
            status = mr_strays_forget(web->db, name, err);
        if (status == MR_OK)
            ++*ret_total;
    }
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "delete stray objects");
}

enum mr_status mr_api_sweep(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t republished = 0, deleted = 0;
    enum mr_status status = check_caller(web, req, err);
    if (status == MR_OK)
        status = republish(web, &republished, err);
    if (status == MR_OK)
        status = delete_strays(web, &deleted, err);
    if (status != MR_OK)
        return status;
    mr_log_write(mr_request_log(req), republished || deleted ? MR_LOG_NOTICE : MR_LOG_DEBUG, "sweep",
                 "{s:I,s:I}", "republished", (json_int_t)republished, "deleted", (json_int_t)deleted);
    return mr_respond_json(
        req, 200,
        json_pack("{s:I,s:I}", "republished", (json_int_t)republished, "deleted", (json_int_t)deleted), err);
}

/* ---- dead letters --------------------------------------------------------------------- */

enum mr_status mr_api_dead_letters(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *envelope = NULL;
    MR_AUTO(mr_push) struct mr_push push = {0};
    struct mr_message message = {0};
    enum mr_status status = check_caller(web, req, err);
    if (status == MR_OK)
        status = mr_request_json(req, PUSH_MAX, &envelope, err);
    if (status == MR_OK)
        status = mr_push_parse(envelope, &push, err);
    if (status != MR_OK)
        return status;
    struct mr_err reason = {0};
    if (mr_message_decode(push.data, push.data_len, &message, &reason) != MR_OK) {
        /* Nothing of ours, and nobody else will take it: said here, then dropped. */
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "dead letter dropped", &reason, "{s:s}", "message_id",
                   push.message_id);
        return mr_respond_empty(req, 204, err);
    }
    status = mr_lease_dead_letter(web->db, &message, err);
    if (status != MR_OK)
        return status;
    mr_log_write(mr_request_log(req), MR_LOG_ERROR, "dead letter", "{s:I,s:I,s:s}", "task_id",
                 (json_int_t)message.task_id, "generation", (json_int_t)message.generation, "kind",
                 message.kind);
    return mr_respond_empty(req, 204, err);
}
