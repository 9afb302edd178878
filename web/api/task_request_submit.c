/* An order becomes a task: the request is read, a file goes into storage while it arrives, and the task is
 * admitted when all of it is there. Fields and parts may come in any order. */
#include "web/api/task_request.h"

enum { FIELD_MAX = 16 << 10, FIELD_NAME_MAX = 128 };

/* ---- reading ------------------------------------------------------------------- */

static enum mr_status take_part(struct mr_task_request *wanted, struct mr_form *form,
                                const struct mr_form_part *part, struct mr_err *err)
{
    if (mr_task_request_is_file(part->name))
        return mr_task_request_store_file(wanted, form, part, err);
    char name[FIELD_NAME_MAX]; /* the part is gone once its value is read */
    snprintf(name, sizeof name, "%s", part->name);
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELD_MAX);
    enum mr_status status = mr_task_request_check_name(part->name, err);
    if (status != MR_OK)
        return status;
    status = mr_form_value(form, &value, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", name);
    MR_AUTO_JSON json_t *text = json_string(mr_buf_str(&value));
    return text ? mr_task_request_take(wanted, name, text, true, err) : mr_fail_oom(err);
}

static enum mr_status read_multipart(struct mr_task_request *wanted, struct mr_request *req,
                                     struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    const struct mr_form_part *part = NULL;
    enum mr_status status = mr_form_open(req, &form, err);
    if (status == MR_OK)
        status = mr_form_next(form, &part, err);
    while (status == MR_OK && part) {
        status = take_part(wanted, form, part, err);
        if (status == MR_OK)
            status = mr_form_next(form, &part, err);
    }
    return status;
}

static enum mr_status read_order(struct mr_task_request *wanted, struct mr_request *req,
                                 struct mr_task_draft *draft, struct mr_err *err)
{
    enum mr_status status = mr_request_is_type(req, "multipart/form-data")
                                ? read_multipart(wanted, req, err)
                                : mr_task_request_take_body(wanted, req, err);
    if (status == MR_OK)
        status = mr_task_request_hash(wanted, err);
    return status == MR_OK ? mr_task_request_plan(wanted, draft, err) : status;
}

/* ---- the task -------------------------------------------------------------------- */

static enum mr_status admit(struct mr_task_request *wanted, struct mr_task_draft *draft, json_t **ret_view,
                            struct mr_err *err)
{
    struct mr_upload_input input = {0};
    if (!draft->upload_id)
        return mr_admission_submit(wanted->web->admission, draft, ret_view, err);
    enum mr_status status = mr_upload_check(wanted->web, wanted->user_id, draft->upload_id, &input, err);
    if (status == MR_NOT_FOUND && draft->idempotency_key) /* gone, perhaps into the task of this very key */
        return mr_tasks_resolve(wanted->web->db, draft, ret_view, err);
    if (status == MR_OK)
        status = mr_task_request_plan_upload(wanted, &input, draft, err);
    return status == MR_OK ? mr_admission_submit(wanted->web->admission, draft, ret_view, err) : status;
}

enum mr_status mr_task_request_submit(struct mr_task_request *wanted, struct mr_request *req,
                                      json_t **ret_view, bool *ret_is_replay, struct mr_err *err)
{
    struct mr_task_draft draft;
    json_t *view = NULL;
    enum mr_status status = read_order(wanted, req, &draft, err);
    if (status == MR_OK && (status = admit(wanted, &draft, &view, err)) != MR_OK &&
        mr_status_is_transient(status))
        return status; /* the row may be there after all: the object must stay, and the ledger decides */
    bool is_replay =
        view && strcmp(json_string_value(json_object_get(view, "file_id")), wanted->file_id) != 0;
    if (status != MR_OK || is_replay)
        mr_task_request_drop_file(wanted);
    if (status != MR_OK)
        return status;
    *ret_view = view;
    *ret_is_replay = is_replay;
    return MR_OK;
}
