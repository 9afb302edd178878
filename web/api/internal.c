/*
 * What the platform calls: Cloud Scheduler the sweep, Pub/Sub the dead letters. Both show an OIDC token.
 */
#include "shared/data/leases.h"
#include "shared/gcp/push.h"
#include "web/api/api.h"
#include "web/chores.h"

enum { PUSH_MAX = 1 << 20 };

/* ---- sweep ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    mr_chore *run;
} chores[] = {
    {"republished", mr_chore_republish},
    {"deleted", mr_chore_delete_strays},
    {"keys", mr_chore_forget_keys},
    {"uploads_expired", mr_chore_expire_uploads},
    {"links_expired", mr_chore_expire_links},
    {"deliveries", mr_chore_deliveries},
    {"records_deleted", mr_chore_delete_records},
    {"pings_expired", mr_chore_expire_pings},
};
enum { CHORES = sizeof chores / sizeof *chores };

/* A chore that fails does not keep the others from their work: each failure is logged, the first is the
 * answer. */
static enum mr_status run_chores(struct mr_web *web, const struct mr_log *log, json_t *counts, bool *ret_idle,
                                 struct mr_err *err)
{
    enum mr_status first = MR_OK;
    *ret_idle = true;
    for (size_t i = 0; i < CHORES; i++) {
        struct mr_err cause = {0};
        int64_t total = 0;
        enum mr_status status = chores[i].run(web, &total, &cause);
        if (status != MR_OK)
            mr_log_err(log, MR_LOG_ERROR, "a chore of the sweep failed: the next sweep tries again", &cause,
                       "{s:s}", "chore", chores[i].name);
        if (status != MR_OK && first == MR_OK) {
            first = status;
            *err = cause;
        }
        *ret_idle = *ret_idle && total == 0;
        if (json_object_set_new(counts, chores[i].name, json_integer(total)) != 0)
            return mr_fail_oom(err);
    }
    return first;
}

enum mr_status mr_api_sweep(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *counts = json_object();
    bool idle = true;
    enum mr_status status = mr_oidc_admit(web->cloud.oidc, req, err);
    if (status == MR_OK)
        status = run_chores(web, mr_request_log(req), counts, &idle, err);
    if (status != MR_OK)
        return status;
    mr_log_write(mr_request_log(req), idle ? MR_LOG_DEBUG : MR_LOG_NOTICE, "sweep", "{s:O}", "done", counts);
    return mr_respond_json(req, 200, MR_TAKE(counts), err);
}

/* ---- dead letters --------------------------------------------------------------------- */

enum mr_status mr_api_dead_letters(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *envelope = NULL;
    MR_AUTO(mr_push) struct mr_push push = {0};
    struct mr_message message = {0};
    enum mr_status status = mr_oidc_admit(web->cloud.oidc, req, err);
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
    if (!message.id) /* else of a delivery or a ping: the first is published again by the sweep, no task fails
                        of it */
        status = mr_lease_dead_letter(web->db, &message, err);
    if (status != MR_OK)
        return status;
    mr_log_write(mr_request_log(req), MR_LOG_ERROR, "dead letter", "{s:I,s:I,s:s,s:I}", "task_id",
                 (json_int_t)message.task_id, "generation", (json_int_t)message.generation, "kind",
                 message.kind, "id", (json_int_t)message.id);
    return mr_respond_empty(req, 204, err);
}
