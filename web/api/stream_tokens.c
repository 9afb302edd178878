/* POST /api/tokens/stream: tokens for EventSource, <audio> and <video> (web/stream_tokens.h). */
#include "web/stream_tokens.h"

#include "shared/base/fields.h"
#include "shared/data/tasks.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"

enum purpose { EVENTS = 1, FILES };

struct order {
    int purpose;
    const char *task_id;
};

static const char *const purposes[] = {"events", "files", NULL};

static const char *purpose_at(size_t index)
{
    return index < sizeof purposes / sizeof *purposes ? purposes[index] : NULL;
}

static const struct mr_field_words purpose_words = {.at = purpose_at};

#define AT(member) MR_FIELD_AT(struct order, member)

static const struct mr_field fields[] = {
    {"purpose", MR_FIELD_WORD, AT(purpose), .required = true, .words = &purpose_words},
    {"task_id", MR_FIELD_TEXT, AT(task_id), .max = MR_UUID_TEXT_MAX},
};
static const struct mr_field_table table = {.rows = MR_FIELD_ROWS(fields),
                                            .noun = "field",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

/* What is read stays in kept. A task's number may be one. */
static enum mr_status read_order(struct mr_request *req, json_t *kept, struct order *ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(mr_body_fields(req, &body, err));
    const json_t *task = json_object_get(body, "task_id");
    if (json_is_integer(task) &&
        json_object_set_new(body, "task_id",
                            json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(task))) != 0)
        return mr_fail_oom(err);
    MR_TRY(mr_fields_take_all(&table, ret, kept, body, mr_body_is_form(req), err));
    MR_TRY(mr_fields_check_required(&table, kept, err));
    if (ret->purpose == FILES && !ret->task_id)
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "task_id is required for files");
    if (ret->purpose == EVENTS && ret->task_id)
        return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "task_id must be left out for events");
    return MR_OK;
}

static enum mr_status add_task(struct mr_web *web, const struct order *order, struct mr_stream_pass *pass,
                               struct mr_err *err)
{
    MR_AUTO_JSON json_t *task = NULL;
    if (!order->task_id)
        return MR_OK;
    MR_TRY(mr_tasks_get(web->db, pass->user_id, order->task_id, &task, err));
    pass->task_id = json_integer_value(json_object_get(task, "id"));
    snprintf(pass->file_id, sizeof pass->file_id, "%s", json_string_value(json_object_get(task, "file_id")));
    return MR_OK;
}

enum mr_status mr_api_stream_token(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    struct order order = {0};
    MR_AUTO_JSON json_t *kept = json_object();
    MR_AUTO_STR char *token = NULL;
    MR_TRY(mr_caller_to_read(web, req, &caller, err));
    if (!kept)
        return mr_fail_oom(err);
    MR_TRY(read_order(req, kept, &order, err));
    struct mr_stream_pass pass = {.user_id = caller.user_id,
                                  .is_guest = caller.is_guest,
                                  .version = caller.version,
                                  .key_id = caller.key_id,
                                  .ends_s = caller.expires_s};
    MR_TRY(add_task(web, &order, &pass, err));
    MR_TRY(mr_stream_token_issue(web->config->jwt_secret, &pass, &token, err));
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, 201,
                           json_pack("{s:s,s:i,s:s}", "token", token, "expires_in", MR_STREAM_TOKEN_SECONDS,
                                     "purpose", purposes[order.purpose - 1]),
                           err);
}
