/* The body is read, a file goes into storage while it arrives, and the task is created when everything is
 * there. Fields and parts may come in any order. */
#include "shared/data/idempotency.h"
#include "web/api/body.h"
#include "web/api/task_request.h"

enum { FIELD_MAX = 16 << 10, FIELD_NAME_MAX = 128 };

/* What Uppy adds to a file. It also adds `name`, see drop_name. */
static bool is_of_uploader(const char *name)
{
    return strcmp(name, "relativePath") == 0 || strcmp(name, "type") == 0;
}

/* FilePond sends the metadata of a file, a JSON object, in a part of the file's name before it. */
static enum mr_status skip_metadata(struct mr_form *form, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELD_MAX);
    MR_TRY(mr_form_value(form, &value, err));
    if (mr_buf_str(&value)[strspn(mr_buf_str(&value), " ")] == '{')
        return MR_OK;
    return mr_fail_code(err, MR_CODE_MISSING_FIELD, "fileName must be a file with a name");
}

/* Uppy's `name` is the file's; the field of this name is of records alone. */
static void drop_name(struct mr_task_request *wanted)
{
    if (!wanted->file.is_stored || wanted->given.description || wanted->given.kind)
        return;
    wanted->given.name = NULL;
    (void)json_object_del(wanted->fields, "name");
}

static enum mr_status take_part(struct mr_task_request *wanted, struct mr_form *form,
                                const struct mr_form_part *part, struct mr_err *err)
{
    if (mr_task_request_is_file(part->name))
        return part->filename ? mr_task_request_store_file(wanted, form, part, err)
                              : skip_metadata(form, err);
    if (is_of_uploader(part->name))
        return MR_OK;
    char name[FIELD_NAME_MAX]; /* the part does not outlive the reading of its value */
    snprintf(name, sizeof name, "%s", part->name);
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELD_MAX);
    MR_TRY(mr_task_request_check_name(part->name, err));
    enum mr_status status = mr_form_value(form, &value, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", name);
    MR_AUTO_JSON json_t *text = json_string(mr_buf_str(&value));
    if (!text)
        return mr_fail_oom(err);
    return mr_task_request_take(wanted, name, text, true, err);
}

static enum mr_status read_multipart(struct mr_task_request *wanted, struct mr_request *req,
                                     struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    const struct mr_form_part *part = NULL;
    MR_TRY(mr_form_open(req, &form, err));
    MR_TRY(mr_form_next(form, &part, err));
    while (part) {
        MR_TRY(take_part(wanted, form, part, err));
        MR_TRY(mr_form_next(form, &part, err));
    }
    drop_name(wanted);
    return MR_OK;
}

static enum mr_status read_request(struct mr_task_request *wanted, struct mr_request *req,
                                   struct mr_task_draft *draft, struct mr_err *err)
{
    MR_TRY(mr_body_check_coding(req, err));
    if (mr_request_is_type(req, "multipart/form-data"))
        MR_TRY(read_multipart(wanted, req, err));
    else
        MR_TRY(mr_task_request_take_body(wanted, req, err));
    MR_TRY(mr_task_request_hash(wanted, err));
    return mr_task_request_plan(wanted, draft, err);
}

static enum mr_status admit(struct mr_task_request *wanted, struct mr_task_draft *draft, json_t **ret_view,
                            struct mr_err *err)
{
    struct mr_upload_input input = {0};
    if (draft->upload_id) {
        enum mr_status status = mr_upload_check(wanted->web, wanted->user_id, draft->upload_id, &input, err);
        if (status == MR_NOT_FOUND && draft->idempotency_key) /* perhaps used by the task of this key */
            return mr_idempotency_resolve(wanted->web->db, draft, ret_view, err);
        if (status != MR_OK)
            return status;
        MR_TRY(mr_task_request_plan_upload(wanted, &input, draft, err));
    }
    return mr_admission_submit(wanted->web->admission, draft, ret_view, err);
}

static enum mr_status submit(struct mr_task_request *wanted, struct mr_request *req, json_t **ret_view,
                             bool *ret_is_replay, struct mr_err *err)
{
    struct mr_task_draft draft;
    json_t *view = NULL;
    enum mr_status status = read_request(wanted, req, &draft, err);
    if (status != MR_OK) {
        mr_task_request_drop_file(wanted);
        return status;
    }
    status = admit(wanted, &draft, &view, err);
    if (mr_status_is_transient(status) && !mr_quota_refused(err))
        return status; /* the row may have been inserted: the object stays, and the sweep decides */
    if (status != MR_OK) {
        mr_task_request_drop_file(wanted);
        return status;
    }
    const char *file_id = json_string_value(json_object_get(view, "file_id"));
    *ret_is_replay = strcmp(file_id, wanted->file_id) != 0;
    if (*ret_is_replay)
        mr_task_request_drop_file(wanted);
    *ret_view = view;
    return MR_OK;
}

enum mr_status mr_task_request_submit(struct mr_task_request *wanted, struct mr_request *req,
                                      json_t **ret_view, bool *ret_is_replay, struct mr_err *err)
{
    enum mr_status status = submit(wanted, req, ret_view, ret_is_replay, err);
    if (status == MR_OK)
        mr_span_set_number(&wanted->span, "mediarun.task_id",
                           json_integer_value(json_object_get(*ret_view, "id")));
    mr_span_end(&wanted->span, status);
    return status;
}
