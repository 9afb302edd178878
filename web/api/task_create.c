/* POST /api/tasks. */
#include "shared/base/encoding.h"
#include "shared/data/task_state.h"
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/caller.h"

static enum mr_status add_headers(struct mr_request *req, const json_t *view, bool is_replay,
                                  struct mr_err *err)
{
    char location[64];
    snprintf(location, sizeof location, "/api/tasks/%lld", json_integer_value(json_object_get(view, "id")));
    MR_TRY(mr_respond_header(req, "Location", location, err));
    return is_replay ? mr_respond_header(req, "Idempotency-Replayed", "true", err) : MR_OK;
}

/* Seconds until the answer at the latest; 0: at once. */
static enum mr_status read_wait(const struct mr_request *req, int64_t *ret, struct mr_err *err)
{
    const char *text = mr_request_query(req, "wait");
    if (text && !mr_parse_int64(text, 0, MR_TASK_WAIT_MAX_S, ret))
        return mr_fail(err, MR_INVALID, "wait must be a whole number of seconds from 0 to %d",
                       MR_TASK_WAIT_MAX_S);
    return MR_OK;
}

static bool is_final(const json_t *view)
{
    enum mr_task_state state;
    return mr_task_state_parse(json_string_value(json_object_get(view, "status")), &state) &&
           mr_task_state_is_final(state);
}

static enum mr_status answer_now(struct mr_request *req, json_t *view, bool is_replay, bool has_waited,
                                 struct mr_err *err)
{
    const char *message = is_replay ? "the task was created before" : "the task was created";
    return mr_respond_json(req, has_waited ? 202 : 201, mr_task_waits_body(message, view), err);
}

static enum mr_status answer(struct mr_web *web, struct mr_request *req, int64_t user_id, int64_t seconds,
                             json_t *view, bool is_replay, struct mr_err *err)
{
    bool waits = false, wants = seconds && !is_final(view);
    MR_TRY(add_headers(req, view, is_replay, err));
    if (wants)
        MR_TRY(mr_task_waits_add(web->waits, req, user_id, view, seconds, &waits, err));
    return waits ? MR_OK : answer_now(req, view, is_replay, wants, err);
}

enum mr_status mr_api_task_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    MR_AUTO_JSON json_t *view = NULL;
    bool is_replay = false;
    int64_t seconds = 0;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    MR_TRY(read_wait(req, &seconds, err));
    MR_TRY(mr_task_request_init(&wanted, web, caller.user_id, err));
    wanted.is_guest = caller.is_guest;
    MR_TRY(mr_task_request_take_headers(&wanted, req, err));
    MR_TRY(mr_task_request_submit(&wanted, req, &view, &is_replay, err));
    return answer(web, req, caller.user_id, seconds, view, is_replay, err);
}
