/* What the platform calls: Cloud Scheduler runs the sweep, Pub/Sub delivers the dead letters. Both send an
 * OIDC token. */
#include "shared/data/dead_letters.h"
#include "shared/gcp/push.h"
#include "web/api/api.h"
#include "web/sweep.h"

enum { PUSH_MAX = 1 << 20 };

enum mr_status mr_api_sweep(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *counts = json_object();
    bool idle = true;
    MR_TRY(mr_oidc_admit(web->cloud.oidc, req, err));
    MR_TRY(mr_sweep_run(web, mr_request_log(req), counts, &idle, err));
    mr_log_write(mr_request_log(req), idle ? MR_LOG_DEBUG : MR_LOG_NOTICE, "sweep", "{s:O}", "done", counts);
    return mr_respond_json(req, 200, MR_TAKE(counts), err);
}

enum mr_status mr_api_dead_letters(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *envelope = NULL;
    MR_AUTO(mr_push) struct mr_push push = {0};
    struct mr_message message = {0};
    MR_TRY(mr_oidc_admit(web->cloud.oidc, req, err));
    MR_TRY(mr_request_json(req, PUSH_MAX, &envelope, err));
    MR_TRY(mr_push_parse(envelope, &push, err));
    struct mr_err reason = {0};
    if (mr_message_decode(push.data, push.data_len, &message, &reason) != MR_OK) {
        /* Not one of mediarun's messages. Nobody else takes dead letters, so it is logged and dropped. */
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "dead letter dropped", &reason, "{s:s}", "message_id",
                   push.message_id);
        return mr_respond_empty(req, 204, err);
    }
    /* A message with an id is a delivery, which the sweep publishes again, or a ping: no task fails. */
    if (!message.id)
        MR_TRY(mr_dead_letter_accept(web->db, &message, web->config->give_up_s, err));
    mr_log_write(mr_request_log(req), MR_LOG_ERROR, "dead letter", "{s:I,s:I,s:s,s:I}", "task_id",
                 (json_int_t)message.task_id, "generation", (json_int_t)message.generation, "kind",
                 message.kind, "id", (json_int_t)message.id);
    return mr_respond_empty(req, 204, err);
}
