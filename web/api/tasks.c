/* GET /api/tasks and /api/tasks/all; GET, PUT and DELETE /api/tasks/{id}. */
#include "shared/base/encoding.h"
#include "shared/data/orphans.h"
#include "shared/data/outbox.h"
#include "shared/data/quota_check.h"
#include "shared/data/task_state.h"
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/caller.h"
#include "web/users.h"

#include <inttypes.h>

/* A page ends before it is longer than MR_TASK_PAGE_BYTES; a single task may be. */
enum { LIST_DEFAULT = 100, LIST_MAX = 1000, LIST_BODY_MAX = 16 << 20 };

static enum mr_status query_number(const struct mr_request *req, const char *name, int64_t min, int64_t max,
                                   int64_t *value, struct mr_err *err)
{
    const char *text = mr_request_query(req, name);
    if (text && !mr_parse_int64(text, min, max, value))
        return mr_fail(err, MR_INVALID, "%s must be a whole number from %" PRId64 " to %" PRId64, name, min,
                       max);
    return MR_OK;
}

static enum mr_status read_filter(const struct mr_request *req, struct mr_task_filter *filter,
                                  struct mr_err *err)
{
    int64_t order = 0;
    enum mr_task_state state;
    MR_TRY(query_number(req, "max", 1, LIST_MAX, &filter->max, err));
    MR_TRY(query_number(req, "order", 0, 1, &order, err));
    MR_TRY(query_number(req, "after", 1, INT64_MAX, &filter->after, err));
    filter->falling = order == 1;
    filter->status = mr_request_query(req, "status");
    if (filter->status && !mr_task_state_parse(filter->status, &state))
        return mr_fail(err, MR_INVALID, "status must be the state of a task, e.g. processed");
    return MR_OK;
}

/* A page as it is sent: a JSON array. */
struct list {
    struct mr_buf body;
    int64_t last; /* id of the last task in it */
    bool has_more;
};

static void list_free(struct list *list)
{
    mr_buf_free(&list->body);
}
MR_DEFINE_VALUE_CLEANUP(list, list_free)

/* Appends the task if there is room, the first one in any case. */
static enum mr_status add_to_list(struct list *list, json_t *view, struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(view, MR_JSON_FLAGS);
    if (!text)
        return mr_fail_oom(err);
    list->has_more = list->last && list->body.len + strlen(text) > MR_TASK_PAGE_BYTES;
    if (list->has_more)
        return MR_OK;
    MR_TRY(mr_buf_append_str(&list->body, list->last ? "," : "[", err));
    list->last = json_integer_value(json_object_get(view, "id"));
    return mr_buf_append_str(&list->body, text, err);
}

/* Task by task, so that the page exists once as rows and once as text, never as a whole tree. */
static enum mr_status write_list(const struct mr_task_page *page, struct list *list, struct mr_err *err)
{
    for (int i = 0; i < mr_task_page_count(page) && !list->has_more; i++) {
        MR_AUTO_JSON json_t *view = NULL;
        MR_TRY(mr_task_page_view(page, i, &view, err));
        MR_TRY(add_to_list(list, view, err));
    }
    list->has_more |= mr_task_page_is_full(page);
    return mr_buf_append_str(&list->body, list->last ? "]" : "[]", err);
}

/* RFC 8288: rel="next" when there may be more tasks, with the path of the request. */
static enum mr_status add_next_link(struct mr_request *req, const struct mr_task_filter *filter,
                                    const struct list *list, struct mr_err *err)
{
    if (!list->has_more)
        return MR_OK;
    char link[256];
    snprintf(link, sizeof link, "<%s?max=%" PRId64 "&order=%d&after=%" PRId64 "%s%s>; rel=\"next\"",
             mr_request_route(req)->pattern, filter->max, filter->falling, list->last,
             filter->status ? "&status=" : "", filter->status ? filter->status : "");
    return mr_respond_header(req, "Link", link, err);
}

static enum mr_status answer_list(struct mr_web *web, struct mr_request *req, int64_t whose,
                                  struct mr_err *err)
{
    struct mr_task_filter filter = {.max = LIST_DEFAULT};
    MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
    MR_AUTO(list) struct list list = {.body = MR_BUF_INIT(LIST_BODY_MAX)};
    MR_TRY(read_filter(req, &filter, err));
    MR_TRY(mr_tasks_list(web->db, whose, &filter, &page, err));
    MR_TRY(write_list(page, &list, err));
    mr_task_page_free(MR_TAKE(page)); /* the client may read slowly */
    MR_TRY(add_next_link(req, &filter, &list, err));
    return mr_respond_bytes(req, 200, MR_JSON_TYPE, mr_buf_str(&list.body), list.body.len, err);
}

enum mr_status mr_api_task_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    return answer_list(web, req, user_id, err);
}

enum mr_status mr_api_task_list_all(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_user_get(web->db, user_id, &user, err));
    if (!user.is_operator)
        return mr_fail(err, MR_DENIED, "tasks of all users are for operators only");
    return answer_list(web, req, MR_EVERYBODY, err);
}

enum mr_status mr_api_task_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *view = NULL;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_tasks_get(web->db, user_id, mr_request_param(req, "id"), &view, err));
    return mr_respond_json(req, 200, view, err);
}

static enum mr_status delete_object(struct mr_web *web, const char *object, struct mr_err *err)
{
    MR_TRY(mr_storage_delete(web->cloud.storage, object, err));
    return mr_orphans_forget(web->db, object, err);
}

/* The objects are in the ledger: the sweep deletes what cannot be deleted now. */
static void delete_objects(struct mr_web *web, const struct mr_log *log, const json_t *names)
{
    size_t i;
    json_t *name;
    json_array_foreach (names, i, name) {
        struct mr_err err;
        const char *object = json_string_value(name);
        if (delete_object(web, object, &err) != MR_OK)
            mr_log_err(log, MR_LOG_WARNING, "cannot delete an object: the sweep will", &err, "{s:s}",
                       "object", object);
    }
}

enum mr_status mr_api_remove_task(struct mr_web *web, const struct mr_log *log, int64_t user_id,
                                  const char *key, struct mr_err *err)
{
    MR_AUTO_JSON json_t *objects = NULL;
    MR_TRY(mr_tasks_delete(web->db, user_id, key, &objects, err));
    delete_objects(web, log, objects);
    return MR_OK;
}

enum mr_status mr_api_task_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_api_remove_task(web, mr_request_log(req), user_id, mr_request_param(req, "id"), err));
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the task and its files were deleted"),
                           err);
}

static enum mr_status publish(struct mr_web *web, const struct mr_message *message, struct mr_err *err)
{
    MR_TRY(mr_publish(&web->publisher, message, 1, MR_PUBLISH_REQUEST_MS, err));
    return mr_outbox_mark(web->db, message, 1, err);
}

/* What PUT may change, from any kind of body. *ret points into the request. */
static enum mr_status read_change(struct mr_task_request *wanted, struct mr_request *req,
                                  struct mr_task_change *ret, struct mr_err *err)
{
    MR_TRY(mr_task_request_take_body(wanted, req, err));
    MR_TRY(mr_task_request_check_use(wanted, MR_TASK_REQUEST_REDO, err));
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
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_task_request_init(&wanted, web, user_id, err));
    MR_TRY(read_change(&wanted, req, &change, err));
    MR_TRY(mr_quota_check(web->db, &web->config->quotas, user_id, &(struct mr_quota_need){.tasks = 1}, err));
    MR_TRY(mr_tasks_redo(web->db, user_id, mr_request_param(req, "id"), &change, &view, &objects, &message,
                         err));
    struct mr_err cause;
    if (publish(web, &message, &cause) != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot publish a task: the sweep will", &cause,
                   "{s:I}", "task_id", (json_int_t)message.task_id);
    delete_objects(web, mr_request_log(req), objects);
    return mr_respond_json(
        req, 200, json_pack("{s:s,s:o}", "message", "the task runs again", "task", MR_TAKE(view)), err);
}
