/*
 * POST /api/probe: what a file is. web never opens a media file, so a probe is a task of the kind `probe`
 * with high priority, if it asks for no previews. The request waits for its end, returns the result, and deletes the task,
 * unless options ask for previews: they are the outputs of the task.
 *
 * Only a limited number of requests wait, and only for a limited time; the others get 202 with the location
 * of the task.
 */
#include "shared/base/clock.h"
#include "shared/data/task_state.h"
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/caller.h"

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

/* Reads the task at growing intervals, up to PROBE_WAIT_SECONDS; *view becomes its latest state. */
static enum mr_status wait_for_end(struct mr_web *web, int64_t user_id, const char *key, json_t **view,
                                   struct mr_err *err)
{
    const int64_t due_us = mr_time_monotonic_us() + web->config->probe_wait_s * 1000000;
    for (int ms = LOOK_FIRST_MS; !is_final(*view) && mr_time_monotonic_us() < due_us;
         ms = ms * 2 < LOOK_LAST_MS ? ms * 2 : LOOK_LAST_MS) {
        const struct timespec interval = {.tv_nsec = ms * 1000000L};
        nanosleep(&interval, NULL);
        json_t *latest = NULL;
        MR_TRY(mr_tasks_get(web->db, user_id, key, &latest, err));
        json_decref(*view);
        *view = latest;
    }
    return MR_OK;
}

/* Does not wait while too many others do. */
static enum mr_status wait_if_allowed(struct mr_web *web, int64_t user_id, const char *key, json_t **view,
                                      struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (atomic_fetch_add(&web->probe_waiters, 1) < WAITERS_MAX)
        status = wait_for_end(web, user_id, key, view, err);
    atomic_fetch_sub(&web->probe_waiters, 1);
    return status;
}

static enum mr_status answer_later(struct mr_request *req, json_t *view, struct mr_err *err)
{
    char location[64];
    snprintf(location, sizeof location, "/api/tasks/%lld", json_integer_value(json_object_get(view, "id")));
    MR_TRY(mr_respond_header(req, "Location", location, err));
    return mr_respond_json(
        req, 202, json_pack("{s:s,s:O}", "message", "the probe takes longer: follow the task", "task", view),
        err);
}

/* The failure of the task becomes the failure of the request: 400 if the file is the cause. */
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
        return mr_fail(err, MR_UNAVAILABLE, "probe was given up");
    enum mr_code code = mr_code_find(name);
    return mr_fail_as(err, status_of(mr_code_row(code)->status), code ? code : MR_CODE_INTERNAL, "%s",
                      detail);
}

static enum mr_status answer(struct mr_request *req, json_t *view, bool has_previews, struct mr_err *err)
{
    json_t *found = json_object_get(json_object_get(view, "result"), "input");
    if (!found)
        return answer_failure(view, err);
    return mr_respond_json(req, 200,
                           json_pack("{s:O,s:O*}", "probe", found, "task", has_previews ? view : NULL), err);
}

static void forget(struct mr_web *web, struct mr_request *req, const struct mr_task_request *wanted)
{
    struct mr_err cause;
    if (mr_api_remove_task(web, mr_request_log(req), wanted->user_id, wanted->file_id, &cause) != MR_OK &&
        cause.status != MR_NOT_FOUND)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot delete the task of a probe", &cause, NULL);
}

static enum mr_status submit(struct mr_task_request *wanted, struct mr_request *req, json_t **ret_view,
                             struct mr_err *err)
{
    bool is_replay = false;
    MR_TRY(mr_task_request_take_headers(wanted, req, err));
    wanted->kind = MR_KIND_PROBE;
    wanted->idempotency_key = NULL; /* a repeated request could not get the old result: it is deleted */
    return mr_task_request_submit(wanted, req, ret_view, &is_replay, err);
}

enum mr_status mr_api_probe(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0};
    MR_AUTO_JSON json_t *view = NULL;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    MR_TRY(mr_task_request_init(&wanted, web, caller.user_id, err));
    wanted.is_guest = caller.is_guest;
    MR_TRY(submit(&wanted, req, &view, err));
    MR_TRY(wait_if_allowed(web, caller.user_id, wanted.file_id, &view, err));
    if (!is_final(view))
        return answer_later(req, view, err);
    const bool has_previews = json_object_size(wanted.given.options) > 0 &&
                              json_object_get(json_object_get(view, "result"), "input");
    if (!has_previews)
        forget(web, req, &wanted);
    return answer(req, view, has_previews, err);
}
