/* GET /api/tasks and /api/tasks/all; GET, PUT and DELETE /api/tasks/{id}. */
#include "shared/base/encoding.h"
#include "shared/data/outbox.h"
#include "shared/data/strays.h"
#include "shared/data/transitions.h"
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/users.h"

#include <inttypes.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000, PUBLISH_TIMEOUT_MS = 1500 };

/* ---- lists --------------------------------------------------------------------- */

static enum mr_status query_number(const struct mr_request *req, const char *name, int64_t min, int64_t max,
                                   int64_t *value, struct mr_err *err)
{
    const char *text = mr_request_query(req, name);
    if (text && !mr_parse_int64(text, min, max, value))
        return mr_fail(err, MR_INVALID, "%s: not a whole number from %" PRId64 " to %" PRId64, name, min,
                       max);
    return MR_OK;
}

static enum mr_status read_filter(const struct mr_request *req, struct mr_task_filter *filter,
                                  struct mr_err *err)
{
    int64_t order = 0;
    enum mr_task_state state;
    enum mr_status status = query_number(req, "max", 1, LIST_MAX, &filter->max, err);
    if (status == MR_OK)
        status = query_number(req, "order", 0, 1, &order, err);
    if (status == MR_OK)
        status = query_number(req, "after", 1, INT64_MAX, &filter->after, err);
    if (status != MR_OK)
        return status;
    filter->falling = order == 1;
    filter->status = mr_request_query(req, "status");
    if (filter->status && !mr_task_state_parse(filter->status, &state))
        return mr_fail(err, MR_INVALID, "status: there is no such state of a task");
    return MR_OK;
}

/* RFC 8288: rel="next" when the page is full; under the path that was asked. */
static enum mr_status add_next_link(struct mr_request *req, const struct mr_task_filter *filter,
                                    const json_t *views, struct mr_err *err)
{
    size_t count = json_array_size(views);
    if ((int64_t)count < filter->max)
        return MR_OK;
    int64_t last = json_integer_value(json_object_get(json_array_get(views, count - 1), "id"));
    char link[256];
    snprintf(link, sizeof link, "<%s?max=%" PRId64 "&order=%d&after=%" PRId64 "%s%s>; rel=\"next\"",
             mr_request_route(req)->pattern, filter->max, filter->falling, last,
             filter->status ? "&status=" : "", filter->status ? filter->status : "");
    return mr_respond_header(req, "Link", link, err);
}

static enum mr_status answer_list(struct mr_web *web, struct mr_request *req, int64_t whose,
                                  struct mr_err *err)
{
    struct mr_task_filter filter = {.max = LIST_DEFAULT};
    MR_AUTO_JSON json_t *views = NULL;
    enum mr_status status = read_filter(req, &filter, err);
    if (status == MR_OK)
        status = mr_tasks_list(web->db, whose, &filter, &views, err);
    if (status == MR_OK)
        status = add_next_link(req, &filter, views, err);
    return status == MR_OK ? mr_respond_json(req, 200, MR_TAKE(views), err) : status;
}

enum mr_status mr_api_task_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    enum mr_status status = mr_login_user(web->config->jwt_secret, req, &user_id, err);
    return status == MR_OK ? answer_list(web, req, user_id, err) : status;
}

enum mr_status mr_api_task_list_all(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO(mr_user) struct mr_user user = {0};
    enum mr_status status = mr_login_user(web->config->jwt_secret, req, &user_id, err);
    if (status == MR_OK)
        status = mr_user_get(web->db, user_id, &user, err);
    if (status == MR_OK && !user.is_operator)
        status = mr_fail(err, MR_DENIED, "everybody's tasks are for operators only");
    return status == MR_OK ? answer_list(web, req, MR_EVERYBODY, err) : status;
}

/* ---- one task ------------------------------------------------------------------ */

enum mr_status mr_api_task_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *view = NULL;
    enum mr_status status = mr_login_user(web->config->jwt_secret, req, &user_id, err);
    if (status == MR_OK)
        status = mr_tasks_get(web->db, user_id, mr_request_param(req, "id"), &view, err);
    return status == MR_OK ? mr_respond_json(req, 200, view, err) : status;
}

/* The names are in the ledger already: what fails here is done by the sweep. */
static void delete_objects(struct mr_web *web, const struct mr_log *log, const json_t *names)
{
    size_t i;
    json_t *name;
    json_array_foreach (names, i, name) {
        struct mr_err err;
        const char *object = json_string_value(name);
        enum mr_status status = mr_storage_delete(web->cloud.storage, object, &err);
        if (status == MR_OK)
            status = mr_strays_forget(web->db, object, &err);
        if (status != MR_OK)
            mr_log_err(log, MR_LOG_WARNING, "an object is left to the sweep", &err, "{s:s}", "object",
                       object);
    }
}

enum mr_status mr_api_remove_task(struct mr_web *web, const struct mr_log *log, int64_t user_id,
                                  const char *key, struct mr_err *err)
{
    MR_AUTO_JSON json_t *objects = NULL;
    enum mr_status status = mr_tasks_delete(web->db, user_id, key, &objects, err);
    if (status == MR_OK)
        delete_objects(web, log, objects);
    return status;
}

enum mr_status mr_api_task_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    enum mr_status status = mr_login_user(web->config->jwt_secret, req, &user_id, err);
    if (status == MR_OK)
        status = mr_api_remove_task(web, mr_request_log(req), user_id, mr_request_param(req, "id"), err);
    if (status != MR_OK)
        return status;
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the task and its files were deleted"),
                           err);
}

/* The task is committed; what is not published here is published by the sweep. */
static void publish(struct mr_web *web, const struct mr_log *log, const struct mr_message *message)
{
    struct mr_err err;
    enum mr_status status = mr_publish(&web->publisher, message, 1, PUBLISH_TIMEOUT_MS, &err);
    if (status == MR_OK)
        status = mr_outbox_mark(web->db, message, 1, &err);
    if (status != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "a task stays in the outbox", &err, "{s:I}", "task_id",
                   (json_int_t)message->task_id);
}

/* What PUT may change, from any kind of body. */
static enum mr_status read_change(struct mr_task_request *wanted, struct mr_request *req,
                                  struct mr_task_change *ret, struct mr_err *err)
{
    enum mr_status status = mr_task_request_take_body(wanted, req, err);
    if (status == MR_OK)
        status = mr_task_request_check_use(wanted, MR_TASK_REQUEST_REDO, err);
    if (status != MR_OK)
        return status;
    ret->new_format = wanted->given.new_format;
    ret->preset = wanted->given.preset;
    ret->options = wanted->given.options;
    if (!ret->new_format && !ret->preset && !ret->options)
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "newFormat is required, or options, or preset");
    return mr_task_request_check_preset(wanted, err);
}

enum mr_status mr_api_task_redo(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_task_change change = {0};
    struct mr_message message;
    enum mr_status status = mr_login_user(web->config->jwt_secret, req, &user_id, err);
    if (status == MR_OK)
        status = mr_task_request_init(&wanted, web, user_id, err);
    if (status == MR_OK)
        status = read_change(&wanted, req, &change, err);
    if (status == MR_OK)
        status = mr_tasks_redo(web->db, user_id, mr_request_param(req, "id"), &change, &view, &objects,
                               &message, err);
    if (status != MR_OK)
        return status;
    publish(web, mr_request_log(req), &message);
    delete_objects(web, mr_request_log(req), objects);
    return mr_respond_json(
        req, 200, json_pack("{s:s,s:o}", "message", "the task was ordered anew", "task", MR_TAKE(view)), err);
}
