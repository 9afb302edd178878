/* GET /api/tasks, GET and DELETE /api/tasks/{id}. */
#include "shared/data/tasks.h"

#include "shared/base/encoding.h"
#include "shared/data/strays.h"
#include "shared/data/transitions.h"
#include "web/api/api.h"

#include <inttypes.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

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

/* RFC 8288: rel="next" when the page is full. */
static enum mr_status add_next_link(struct mr_request *req, const struct mr_task_filter *filter,
                                    const json_t *views, struct mr_err *err)
{
    size_t count = json_array_size(views);
    if ((int64_t)count < filter->max)
        return MR_OK;
    int64_t last = json_integer_value(json_object_get(json_array_get(views, count - 1), "id"));
    char link[256];
    snprintf(link, sizeof link, "</api/tasks?max=%" PRId64 "&order=%d&after=%" PRId64 "%s%s>; rel=\"next\"",
             filter->max, filter->falling, last, filter->status ? "&status=" : "",
             filter->status ? filter->status : "");
    return mr_respond_header(req, "Link", link, err);
}

enum mr_status mr_api_task_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    struct mr_task_filter filter = {.max = LIST_DEFAULT};
    MR_AUTO_JSON json_t *views = NULL;
    enum mr_status status = mr_session_user(web->session, req, &user_id, err);
    if (status == MR_OK)
        status = read_filter(req, &filter, err);
    if (status == MR_OK)
        status = mr_tasks_list(web->db, user_id, &filter, &views, err);
    if (status == MR_OK)
        status = add_next_link(req, &filter, views, err);
    return status == MR_OK ? mr_respond_json(req, 200, MR_TAKE(views), err) : status;
}

enum mr_status mr_api_task_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *view = NULL;
    enum mr_status status = mr_session_user(web->session, req, &user_id, err);
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

enum mr_status mr_api_task_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO_JSON json_t *objects = NULL;
    enum mr_status status = mr_session_user(web->session, req, &user_id, err);
    if (status == MR_OK)
        status = mr_tasks_delete(web->db, user_id, mr_request_param(req, "id"), &objects, err);
    if (status != MR_OK)
        return status;
    delete_objects(web, mr_request_log(req), objects);
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the task and its files were deleted"),
                           err);
}
