/*
 * POST /api/tasks: the file goes into storage while it arrives; the task is admitted when all of it is there.
 *
 * Parts may come in any order. Whatever ends the request early leaves nothing behind: the object is in the
 * ledger of strays before its first byte is stored, and is deleted at once where that is still possible.
 */
#include "shared/base/encoding.h"
#include "shared/data/formats.h"
#include "shared/data/strays.h"
#include "shared/http/form.h"
#include "web/api/api.h"

#include <ctype.h>

enum { COPY_BYTES = 64 << 10, FIELD_MAX = 16 << 10, FILE_NAME_MAX = 255, EXTENSION_MAX = 10 };
enum { STRAY_AFTER_S = 86400 };

/* What has been read of the request so far. */
struct order {
    struct mr_web *web;
    char file_id[MR_UUID_TEXT_MAX];
    char input_object[64];
    char file_name[FILE_NAME_MAX + 1];
    char extension[EXTENSION_MAX + 1];
    const struct mr_format *format;
    json_t *options;
    struct mr_object object;
    bool has_file;
};

static void order_free(struct order *order)
{
    json_decref(order->options);
}
MR_DEFINE_VALUE_CLEANUP(order, order_free)

/* ---- the file ------------------------------------------------------------------ */

/* The extension in lower case, "" if there is none or it is not plain letters and digits. */
static void take_extension(struct order *order)
{
    const char *dot = strrchr(order->file_name, '.');
    size_t len = dot ? strlen(dot + 1) : 0;
    if (len == 0 || len > EXTENSION_MAX)
        return;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)dot[1 + i])) {
            order->extension[0] = '\0';
            return;
        }
        order->extension[i] = (char)tolower((unsigned char)dot[1 + i]);
    }
}

/* Cuts a name that is too long at a character's start. */
static void take_file_name(struct order *order, const char *name)
{
    size_t len = strlen(name);
    if (len > FILE_NAME_MAX) {
        len = FILE_NAME_MAX;
        while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
            len--;
    }
    snprintf(order->file_name, sizeof order->file_name, "%.*s", (int)len, name);
    take_extension(order);
}

static enum mr_status copy_part(struct mr_form *form, struct mr_upload *upload, struct mr_err *err)
{
    MR_AUTO_STR char *bytes = malloc(COPY_BYTES);
    if (!bytes)
        return mr_fail_oom(err);
    for (;;) {
        size_t len = 0;
        enum mr_status status = mr_form_read(form, bytes, COPY_BYTES, &len, err);
        if (status != MR_OK || len == 0)
            return status;
        status = mr_upload_write(upload, bytes, len, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "store the upload");
    }
}

static enum mr_status store_file(struct order *order, struct mr_form *form, const struct mr_form_part *part,
                                 struct mr_err *err)
{
    if (order->has_file)
        return mr_fail(err, MR_INVALID, "fileName: one file for one task");
    if (!part->filename || !part->filename[0])
        return mr_fail_code(err, MR_INVALID, "missing_field", "fileName: a file with a name is needed");
    take_file_name(order, part->filename);
    MR_AUTO(mr_upload) struct mr_upload *upload = NULL;
    enum mr_status status = mr_strays_add(order->web->db, order->input_object, STRAY_AFTER_S, err);
    if (status == MR_OK)
        status = mr_upload_begin(order->web->cloud.storage, order->input_object, "application/octet-stream",
                                 &upload, err);
    if (status == MR_OK)
        status = copy_part(form, upload, err);
    if (status == MR_OK && mr_upload_size(upload) == 0)
        status = mr_fail_code(err, MR_INVALID, "empty_file", "fileName: the file is empty");
    if (status == MR_OK)
        status = mr_upload_finish(upload, &order->object, err);
    order->has_file = status == MR_OK;
    return status;
}

/* ---- the fields ------------------------------------------------------------------ */

static enum mr_status take_format(struct order *order, const char *value, struct mr_err *err)
{
    order->format = mr_format_find(value);
    if (order->format)
        return MR_OK;
    MR_AUTO(mr_buf) struct mr_buf names = MR_BUF_INIT(1024);
    const struct mr_format *format;
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && (format = mr_format_at(i)); i++)
        status = mr_buf_appendf(&names, err, "%s%s", i ? ", " : "", format->name);
    return mr_fail_code(err, MR_INVALID, "unknown_format", "newFormat: none of %s", mr_buf_str(&names));
}

static enum mr_status take_options(struct order *order, const char *value, struct mr_err *err)
{
    if (!value[0])
        return MR_OK;
    json_error_t fault;
    MR_AUTO_JSON json_t *options = json_loads(value, JSON_REJECT_DUPLICATES, &fault);
    if (!json_is_object(options))
        return mr_fail(err, MR_INVALID, "options: it must be a JSON object");
    if (json_object_size(options) > 0)
        return mr_fail_code(err, MR_INVALID, "unknown_option", "options: `%s` is no option we know",
                            json_object_iter_key(json_object_iter(options)));
    json_decref(order->options);
    order->options = MR_TAKE(options);
    return MR_OK;
}

static const struct {
    const char *name;
    enum mr_status (*take)(struct order *order, const char *value, struct mr_err *err);
} plain_fields[] = {{"newFormat", take_format}, {"options", take_options}};

static enum mr_status take_field(struct order *order, struct mr_form *form, const struct mr_form_part *part,
                                 struct mr_err *err)
{
    for (size_t i = 0; i < sizeof plain_fields / sizeof *plain_fields; i++) {
        if (strcmp(part->name, plain_fields[i].name) != 0)
            continue;
        MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELD_MAX);
        enum mr_status status = mr_form_value(form, &value, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "%s", plain_fields[i].name);
        return plain_fields[i].take(order, mr_buf_str(&value), err);
    }
    return MR_OK; /* a field that we do not know: some of the older clients send more than they need */
}

static bool is_file_part(const struct mr_form_part *part)
{
    return strcmp(part->name, "fileName") == 0 || strcmp(part->name, "file") == 0;
}

static enum mr_status read_order(struct order *order, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    enum mr_status status = mr_form_open(req, &form, err);
    const struct mr_form_part *part = NULL;
    while (status == MR_OK) {
        status = mr_form_next(form, &part, err);
        if (status != MR_OK || !part)
            break;
        status = is_file_part(part) ? store_file(order, form, part, err) : take_field(order, form, part, err);
    }
    if (status == MR_OK && !order->has_file)
        status = mr_fail_code(err, MR_INVALID, "missing_field", "fileName: a file is needed");
    if (status == MR_OK && !order->format)
        status = mr_fail_code(err, MR_INVALID, "missing_field", "newFormat: this field is needed");
    return status;
}

/* ---- the task -------------------------------------------------------------------- */

static enum mr_status admit(struct order *order, int64_t user_id, json_t **ret_view, struct mr_err *err)
{
    struct mr_task_draft draft = {
        .user_id = user_id,
        .kind = "convert",
        .priority = "normal",
        .new_format = order->format->name,
        .options = order->options,
        .original_file = order->file_name,
        .original_format = order->extension,
        .original_size = order->object.size,
        .input_object = order->input_object,
        .input_generation = order->object.generation,
    };
    snprintf(draft.file_id, sizeof draft.file_id, "%s", order->file_id);
    return mr_admission_submit(order->web->admission, &draft, ret_view, err);
}

/* The request failed after the file was stored. What cannot be deleted now stays in the ledger for the sweep.
 */
static void drop_file(struct order *order)
{
    struct mr_err ignored;
    if (order->has_file &&
        mr_storage_delete(order->web->cloud.storage, order->input_object, &ignored) == MR_OK)
        (void)!mr_strays_forget(order->web->db, order->input_object, &ignored);
}

static enum mr_status answer(struct mr_request *req, json_t *view, struct mr_err *err)
{
    char location[64];
    snprintf(location, sizeof location, "/api/tasks/%lld", json_integer_value(json_object_get(view, "id")));
    json_t *body = json_pack("{s:s,s:o}", "message", "the task was created", "task", view);
    if (!body)
        return mr_fail_oom(err);
    enum mr_status status = mr_respond_header(req, "Location", location, err);
    if (status != MR_OK) {
        json_decref(body);
        return status;
    }
    return mr_respond_json(req, 201, body, err);
}

enum mr_status mr_api_task_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    enum mr_status status = mr_session_user(web->session, req, &user_id, err);
    if (status != MR_OK)
        return status;
    if (!mr_request_is_type(req, "multipart/form-data"))
        return mr_fail(err, MR_UNSUPPORTED,
                       "Content-Type: send multipart/form-data with fileName and newFormat");
    MR_AUTO(order) struct order order = {.web = web};
    json_t *view = NULL;
    status = mr_uuid_generate(order.file_id, err);
    snprintf(order.input_object, sizeof order.input_object, "inputs/%s", order.file_id);
    if (status == MR_OK)
        status = read_order(&order, req, err);
    if (status == MR_OK && (status = admit(&order, user_id, &view, err)) != MR_OK &&
        mr_status_is_transient(status))
        return status; /* the row may be there after all: the object must stay, and the ledger decides */
    if (status != MR_OK) {
        drop_file(&order);
        return status;
    }
    return answer(req, view, err);
}
