/* DELETE /api/tasks: all tasks that a filter lets through, in portions. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "web/api/api.h"
#include "web/api/task_filter.h"
#include "web/caller.h"

enum { PORTION = 100, STATUSES_MAX = 256, PATIENCE_MS = 20000 };

/* Without one, a request that was cut short in a script would delete everything. */
static enum mr_status check_filter(const struct mr_task_filter *filter, struct mr_err *err)
{
    if (filter->status || filter->statuses || filter->kind || filter->format || filter->name ||
        filter->created_after || filter->created_before)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_NO_FILTER,
                        "a filter is required: status, kind, format, name, created_after or created_before");
}

static enum mr_status read_dry_run(const struct mr_request *req, bool *ret, struct mr_err *err)
{
    int64_t number = 0;
    const char *text = mr_request_query(req, "dry_run");
    if (text && !mr_parse_int64(text, 0, 1, &number))
        return mr_fail(err, MR_INVALID, "dry_run must be 0 or 1");
    *ret = number == 1;
    return MR_OK;
}

/* Another request may have deleted the task. */
static enum mr_status remove_one(struct mr_web *web, const struct mr_log *log, int64_t user_id,
                                 const struct mr_task_page *page, int row, int64_t *deleted,
                                 struct mr_err *err)
{
    char key[MR_INT64_TEXT_MAX];
    MR_AUTO_JSON json_t *view = NULL;
    MR_TRY(mr_task_page_view(page, row, &view, err));
    mr_int64_text(json_integer_value(json_object_get(view, "id")), key);
    enum mr_status status = mr_api_remove_task(web, log, user_id, key, err);
    *deleted += status == MR_OK;
    return status == MR_NOT_FOUND ? MR_OK : status;
}

/* What is left when the time is up is for the next request. */
static enum mr_status remove_all(struct mr_web *web, const struct mr_log *log, int64_t user_id,
                                 struct mr_task_filter *filter, int64_t *deleted, struct mr_err *err)
{
    const int64_t end_us = mr_time_monotonic_us() + PATIENCE_MS * INT64_C(1000);
    do {
        MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
        MR_TRY(mr_tasks_list(web->db, user_id, filter, &page, err));
        filter->after = mr_task_page_next(page);
        for (int row = 0; row < mr_task_page_count(page); row++) {
            if (mr_time_monotonic_us() > end_us)
                return MR_OK;
            MR_TRY(remove_one(web, log, user_id, page, row, deleted, err));
        }
    } while (filter->after);
    return MR_OK;
}

static enum mr_status answer(struct mr_request *req, bool is_dry, int64_t deleted, int64_t left,
                             struct mr_err *err)
{
    const char *message = is_dry ? "nothing was deleted: this is what would be"
                          : left ? "some tasks are left: repeat the request"
                                 : "the tasks and their files were deleted";
    return mr_respond_json(req, 200,
                           json_pack("{s:s,s:b,s:I,s:I}", "message", message, "dry_run", is_dry, "deleted",
                                     (json_int_t)deleted, "left", (json_int_t)left),
                           err);
}

enum mr_status mr_api_task_delete_many(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_task_filter filter = {.max = PORTION};
    int64_t user_id = 0, deleted = 0, left = 0;
    bool is_dry = false;
    MR_AUTO(mr_buf) struct mr_buf statuses = MR_BUF_INIT(STATUSES_MAX);
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(read_dry_run(req, &is_dry, err));
    MR_TRY(mr_task_filter_read(req, &statuses, &filter, err));
    MR_TRY(check_filter(&filter, err));
    if (!is_dry)
        MR_TRY(remove_all(web, mr_request_log(req), user_id, &filter, &deleted, err));
    MR_TRY(mr_tasks_count(web->db, user_id, &filter, &left, err));
    return answer(req, is_dry, deleted, left, err);
}
