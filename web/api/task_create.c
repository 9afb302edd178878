/* POST /api/tasks. */
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/caller.h"

/* Takes the reference of view. */
static enum mr_status answer(struct mr_request *req, json_t *view, bool is_replay, struct mr_err *err)
{
    char location[64];
    snprintf(location, sizeof location, "/api/tasks/%lld", json_integer_value(json_object_get(view, "id")));
    MR_AUTO_JSON json_t *body =
        json_pack("{s:s,s:o}", "message", is_replay ? "the task was created before" : "the task was created",
                  "task", view);
    if (!body)
        return mr_fail_oom(err);
    MR_TRY(mr_respond_header(req, "Location", location, err));
    if (is_replay)
        MR_TRY(mr_respond_header(req, "Idempotency-Replayed", "true", err));
    return mr_respond_json(req, 201, MR_TAKE(body), err);
}

enum mr_status mr_api_task_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    json_t *view = NULL;
    bool is_replay = false;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_task_request_init(&wanted, web, user_id, err));
    MR_TRY(mr_task_request_take_headers(&wanted, req, err));
    MR_TRY(mr_task_request_submit(&wanted, req, &view, &is_replay, err));
    return answer(req, view, is_replay, err);
}
