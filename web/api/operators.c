/* GET /api/operator/…, POST /api/operator/tasks/{id}/requeue. What an operator does or looks up stands in the log, with who
 * did it; only the leases do not, which are asked for every few seconds. */
#include "shared/data/operators.h"

#include "shared/base/encoding.h"
#include "shared/data/outbox.h"
#include "web/api/api.h"
#include "web/operator.h"

#include <inttypes.h>

enum {
    LIST_DEFAULT = 100,
    LIST_MAX = 1000,
    HOURS_DEFAULT = 24,
    HOURS_MAX = 24 * 366,
    SECONDS_MAX = 366 * 86400
};
enum { STUCK_SECONDS = 600, LINK_MAX = 512, HOUR_S = 3600 };

static enum mr_status admit(struct mr_web *web, struct mr_request *req, const char *action,
                            const char *target, struct mr_err *err)
{
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_operator_admit(web, req, "routes of /api/operator", &user, err));
    if (action)
        mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "operator", "{s:s,s:s*,s:I,s:s}", "action", action,
                     "target", target, "operator_id", (json_int_t)user.id, "operator", user.username);
    return MR_OK;
}

static enum mr_status read_number(const struct mr_request *req, const char *name, int64_t min, int64_t max,
                                  int64_t *ret, struct mr_err *err)
{
    const char *text = mr_request_query(req, name);
    if (!text || mr_parse_int64(text, min, max, ret))
        return MR_OK;
    return mr_fail(err, MR_INVALID, "%s must be a whole number from %" PRId64 " to %" PRId64, name, min, max);
}

static enum mr_status read_page(const struct mr_request *req, struct mr_operators_page *ret,
                                struct mr_err *err)
{
    ret->max = LIST_DEFAULT;
    MR_TRY(read_number(req, "max", 1, LIST_MAX, &ret->max, err));
    return read_number(req, "before", 1, INT64_MAX, &ret->before, err);
}

/* RFC 8288: the same list from there on; filter is the rest of its query, encoded. */
static enum mr_status add_next_link(struct mr_request *req, const struct mr_operators_page *page,
                                    int64_t next, const char *filter, struct mr_err *err)
{
    char link[LINK_MAX];
    if (!next)
        return MR_OK;
    snprintf(link, sizeof link, "<%s?max=%" PRId64 "&before=%" PRId64 "%s>; rel=\"next\"",
             mr_request_route(req)->pattern, page->max, next, filter);
    return mr_respond_header(req, "Link", link, err);
}

/* A report about users' data, which no cache may keep. */
static enum mr_status answer(struct mr_request *req, json_t *body, struct mr_err *err)
{
    MR_AUTO_JSON json_t *owned = body;
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, 200, MR_TAKE(owned), err);
}

enum mr_status mr_api_operator_failures(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t hours = HOURS_DEFAULT;
    MR_AUTO_JSON json_t *list = NULL;
    MR_TRY(admit(web, req, "list failures", NULL, err));
    MR_TRY(read_number(req, "hours", 1, HOURS_MAX, &hours, err));
    MR_TRY(mr_operators_failures(web->db, hours * HOUR_S, &list, err));
    return answer(req, MR_TAKE(list), err);
}

enum mr_status mr_api_operator_failed(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_operators_page page = {0};
    const char *code = mr_request_query(req, "code");
    char filter[LINK_MAX / 2] = "";
    int64_t next = 0;
    MR_AUTO_JSON json_t *list = NULL;
    MR_TRY(admit(web, req, "list failed tasks", code, err));
    MR_TRY(read_page(req, &page, err));
    if (code && mr_code_find(code) == MR_CODE_NONE)
        return mr_fail(err, MR_INVALID, "code must be one of docs/errors.md");
    if (code)
        snprintf(filter, sizeof filter, "&code=%s", code);
    MR_TRY(mr_operators_failed(web->db, code, &page, &list, &next, err));
    MR_TRY(add_next_link(req, &page, next, filter, err));
    return answer(req, MR_TAKE(list), err);
}

enum mr_status mr_api_operator_stuck(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t seconds = STUCK_SECONDS, max = LIST_DEFAULT;
    MR_AUTO_JSON json_t *list = NULL;
    MR_TRY(admit(web, req, "list stuck tasks", NULL, err));
    MR_TRY(read_number(req, "seconds", 0, SECONDS_MAX, &seconds, err));
    MR_TRY(read_number(req, "max", 1, LIST_MAX, &max, err));
    MR_TRY(mr_operators_stuck(web->db, seconds, max, &list, err));
    return answer(req, MR_TAKE(list), err);
}

enum mr_status mr_api_operator_dead_letters(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_operators_page page = {0};
    int64_t next = 0;
    MR_AUTO_JSON json_t *list = NULL;
    MR_TRY(admit(web, req, "list dead letters", NULL, err));
    MR_TRY(read_page(req, &page, err));
    MR_TRY(mr_operators_dead_letters(web->db, &page, &list, &next, err));
    MR_TRY(add_next_link(req, &page, next, "", err));
    return answer(req, MR_TAKE(list), err);
}

enum mr_status mr_api_operator_leases(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *report = NULL;
    MR_TRY(admit(web, req, NULL, NULL, err));
    MR_TRY(mr_operators_leases(web->db, &report, err));
    return answer(req, MR_TAKE(report), err);
}

/* Beside what the user has, the quota that bounds it; null: there is none, as for operators. */
static enum mr_status add_limits(const struct mr_web *web, json_t *report, struct mr_err *err)
{
    const bool is_exempt = json_is_true(json_object_get(report, "is_operator"));
    json_t *limits = json_object();
    if (json_object_set_new(report, "limits", limits) != 0)
        return mr_fail_oom(err);
    for (enum mr_quota quota = MR_QUOTA_NONE + 1; quota < MR_QUOTA_COUNT; quota++) {
        json_t *limit = is_exempt ? json_null() : json_integer(web->config->quotas.limits[quota]);
        if (json_object_set_new(limits, mr_quota_row(quota)->name, limit) != 0)
            return mr_fail_oom(err);
    }
    return MR_OK;
}

enum mr_status mr_api_operator_usage(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    const char *who = mr_request_param(req, "name");
    MR_AUTO_JSON json_t *report = NULL;
    MR_TRY(admit(web, req, "show the usage of a user", who, err));
    MR_TRY(mr_operators_usage(web->db, who, &report, err));
    MR_TRY(add_limits(web, report, err));
    return answer(req, MR_TAKE(report), err);
}

static enum mr_status publish(struct mr_web *web, const struct mr_message *message, struct mr_err *err)
{
    MR_TRY(mr_publish(&web->publisher, message, 1, MR_PUBLISH_REQUEST_MS, err));
    return mr_outbox_mark(web->db, message, 1, err);
}

enum mr_status mr_api_operator_requeue(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_requeued task = {0};
    struct mr_err cause;
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_operator_admit(web, req, "routes of /api/operator", &user, err));
    MR_TRY(mr_operators_requeue(web->db, mr_request_param(req, "id"), &task, err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "operator", "{s:s,s:I,s:I,s:I,s:s,s:s,s:I,s:s}",
                 "action", "requeue a task", "task_id", (json_int_t)task.message.task_id, "generation",
                 (json_int_t)task.message.generation, "owner_id", (json_int_t)task.user_id, "was",
                 task.status, "code", task.code, "operator_id", (json_int_t)user.id, "operator",
                 user.username);
    if (publish(web, &task.message, &cause) != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot publish a task: the sweep will", &cause,
                   "{s:I}", "task_id", (json_int_t)task.message.task_id);
    return mr_respond_json(req, 200,
                           json_pack("{s:s,s:I,s:I}", "message", "the task runs again", "task_id",
                                     (json_int_t)task.message.task_id, "generation",
                                     (json_int_t)task.message.generation),
                           err);
}
