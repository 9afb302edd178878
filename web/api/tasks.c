/* GET, PUT and DELETE /api/tasks/{id}; POST /api/tasks/{id}/cancel. */
#include "shared/data/orphans.h"
#include "shared/data/outbox.h"
#include "shared/data/quota_check.h"
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/caller.h"

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

enum mr_status mr_api_task_cancel(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *view = NULL;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_tasks_cancel(web->db, user_id, mr_request_param(req, "id"), &view, err));
    return mr_respond_json(req, 200, json_pack("{s:s,s:o}", "message", "the task is canceled", "task", view),
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
    ret->priority = wanted->given.priority;
    ret->callback_url = wanted->given.callback_url;
    ret->reuse = wanted->given.reuse;
    if (json_object_size(wanted->fields) == 0)
        return mr_fail_code(err, MR_CODE_MISSING_FIELD,
                            "newFormat is required, or options, preset, priority, callback_url or reuse");
    MR_TRY(mr_task_request_check_guest(wanted, err));
    return mr_task_request_check_preset(wanted, err);
}

enum mr_status mr_api_task_redo(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_task_change change = {0};
    struct mr_message message;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    MR_TRY(mr_task_request_init(&wanted, web, caller.user_id, err));
    wanted.is_guest = caller.is_guest;
    MR_TRY(read_change(&wanted, req, &change, err));
    MR_TRY(mr_quota_check(web->db, &web->config->quotas, caller.user_id, &(struct mr_quota_need){.tasks = 1},
                          err));
    MR_TRY(mr_tasks_redo(web->db, caller.user_id, mr_request_param(req, "id"), &change, &view, &objects,
                         &message, err));
    struct mr_err cause;
    if (publish(web, &message, &cause) != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot publish a task: the sweep will", &cause,
                   "{s:I}", "task_id", (json_int_t)message.task_id);
    delete_objects(web, mr_request_log(req), objects);
    return mr_respond_json(
        req, 200, json_pack("{s:s,s:o}", "message", "the task runs again", "task", MR_TAKE(view)), err);
}
