/*
 * POST /api/probe: what a file is. Web never opens a medium, so the question is a task like any other, of the
 * kind `probe`, on the high lane; this request waits for its end, gives the result, and deletes it.
 *
 * Only so many requests wait, and only so long: who comes beyond that is told where to look.
 */
#include "shared/data/transitions.h"
#include "web/api/api.h"
#include "web/api/task_request.h"

#include <time.h>

enum { WAITERS_MAX = 16, LOOK_FIRST_MS = 10, LOOK_LAST_MS = 250 };

static const char *text_of(const json_t *view, const char *name)
{
    return json_string_value(json_object_get(view, name));
}

static bool is_final(const json_t *view)
{
    enum mr_task_state state;
    return mr_task_state_parse(text_of(view, "status"), &state) && mr_task_state_is_final(state);
}

/* Looks at the task at growing intervals, for as long as it may take; *view becomes the latest one. */
static enum mr_status wait_for_end(struct mr_web *web, int64_t user_id, const char *key, json_t **view,
                                   struct mr_err *err)
{
    const int64_t due_us = mr_time_monotonic_us() + web->config->probe_wait_s * 1000000;
    for (int ms = LOOK_FIRST_MS; !is_final(*view) && mr_time_monotonic_us() < due_us;
         ms = ms * 2 < LOOK_LAST_MS ? ms * 2 : LOOK_LAST_MS) {
        const struct timespec interval = {.tv_nsec = ms * 1000000L};
        nanosleep(&interval, NULL);
        json_t *latest = NULL;
        enum mr_status status = mr_tasks_get(web->db, user_id, key, &latest, err);
        if (status != MR_OK)
            return status;
        json_decref(*view);
        *view = latest;
    }
    return MR_OK;
}

static enum mr_status wait_in_turn(struct mr_web *web, int64_t user_id, const char *key, json_t **view,
                                   struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (atomic_fetch_add(&web->probe_waiters, 1) < WAITERS_MAX)
        status = wait_for_end(web, user_id, key, view, err);
    atomic_fetch_sub(&web->probe_waiters, 1);
    return status;
}

/* ---- answers ----------------------------------------------------------------------- */

static enum mr_status answer_later(struct mr_request *req, json_t *view, struct mr_err *err)
{
    char location[64];
    snprintf(location, sizeof location, "/api/tasks/%lld", json_integer_value(json_object_get(view, "id")));
    enum mr_status status = mr_respond_header(req, "Location", location, err);
    if (status != MR_OK)
        return status;
    return mr_respond_json(
        req, 202, json_pack("{s:s,s:O}", "message", "it takes longer: the task will tell", "task", view),
        err);
}

/* The task's error as this request's: the file's fault, but for these. */
/* The failure of the task becomes that of the request: what is wrong with the file is 400 here. */
static enum mr_status status_of(enum mr_status of_task)
{
    if (of_task == MR_INTERNAL || mr_status_is_transient(of_task))
        return MR_UNAVAILABLE;
    return of_task == MR_TOO_LARGE ? MR_TOO_LARGE : MR_INVALID;
}

static enum mr_status answer_failure(const json_t *view, struct mr_err *err)
{
    const json_t *error = json_object_get(view, "error");
    const char *name = text_of(error, "code"), *detail = text_of(error, "detail");
    if (!name || !detail)
        return mr_fail(err, MR_UNAVAILABLE, "the probe was given up");
    enum mr_code code = mr_code_find(name);
    return mr_fail_as(err, status_of(mr_code_row(code)->status), code ? code : MR_CODE_INTERNAL, "%s",
                      detail);
}

static enum mr_status answer(struct mr_request *req, const json_t *view, struct mr_err *err)
{
    json_t *found = json_object_get(json_object_get(view, "result"), "input");
    if (!found)
        return answer_failure(view, err);
    return mr_respond_json(req, 200, json_pack("{s:O}", "probe", found), err);
}

/* ---- the request ---------------------------------------------------------------------- */

static enum mr_status place(struct mr_task_request *wanted, struct mr_request *req, json_t **ret_view,
                            struct mr_err *err)
{
    bool is_replay = false;
    enum mr_status status = mr_task_request_take_headers(wanted, req, err);
    wanted->kind = MR_KIND_PROBE;
    wanted->idempotency_key = NULL; /* nothing is left of a probe that a repetition could be given */
    return status == MR_OK ? mr_task_request_submit(wanted, req, ret_view, &is_replay, err) : status;
}

enum mr_status mr_api_probe(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    MR_AUTO_JSON json_t *view = NULL;
    enum mr_status status = mr_login_user(web->config->jwt_secret, req, &user_id, err);
    if (status == MR_OK)
        status = mr_task_request_init(&wanted, web, user_id, err);
    if (status == MR_OK)
        status = place(&wanted, req, &view, err);
    if (status == MR_OK)
        status = wait_in_turn(web, user_id, wanted.file_id, &view, err);
    if (status != MR_OK)
        return status;
    if (!is_final(view))
        return answer_later(req, view, err);
    struct mr_err left;
    if (mr_api_remove_task(web, mr_request_log(req), user_id, wanted.file_id, &left) != MR_OK &&
        left.status != MR_NOT_FOUND)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "a probe's task is left", &left, NULL);
    return answer(req, view, err);
}
