#include "shared/base/random.h"
#include "shared/media/options.h"
#include "shared/media/presets.h"
#include "web/api/body.h"
#include "web/api/task_request.h"

enum { TEXT_MAX = 1000 };

static const char *kind_name(size_t index)
{
    static const char *const kinds[] = {MR_KIND_CONVERT, MR_KIND_EDIT, MR_KIND_INSERT_RECORDS};
    return index < sizeof kinds / sizeof *kinds ? kinds[index] : NULL;
}

static const char *priority_name(size_t index)
{
    static const char *const priorities[] = {"high", "normal"};
    return index < sizeof priorities / sizeof *priorities ? priorities[index] : NULL;
}

static const struct mr_field_words kind_words = {kind_name, NULL}, priority_words = {priority_name, NULL};

/* Options that depend on the format are checked by mr_task_request_plan. */
static enum mr_status check_options(void *base, const char *path, json_t **value, struct mr_err *err)
{
    (void)path;
    const struct mr_task_request *wanted = base;
    struct mr_options options;
    MR_TRY(mr_options_read(*value, NULL, &options, err));
    return mr_options_check_pixels(&options, wanted->web->config->max_pixels, err);
}

static enum mr_status check_url(const struct mr_task_request *wanted, const char *path, const json_t *value,
                                unsigned flags, struct mr_err *err)
{
    enum mr_status status = mr_guard_check_url(wanted->web->guard, json_string_value(value), flags, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", path);
    return MR_OK;
}

static enum mr_status check_source_url(void *base, const char *path, json_t **value, struct mr_err *err)
{
    return check_url(base, path, *value, 0, err);
}

static enum mr_status check_callback_url(void *base, const char *path, json_t **value, struct mr_err *err)
{
    return check_url(base, path, *value, MR_GUARD_HTTPS_ONLY, err);
}

/* The canonical form is lower case. */
static enum mr_status check_upload_id(void *base, const char *path, json_t **value, struct mr_err *err)
{
    (void)base;
    char text[MR_UUID_TEXT_MAX];
    if (!mr_uuid_is_valid(json_string_value(*value)))
        return mr_fail_code(err, MR_CODE_MALFORMED_ID, "%s must be an id from POST /api/uploads", path);
    snprintf(text, sizeof text, "%s", json_string_value(*value));
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'F')
            *p = (char)(*p - 'A' + 'a');
    json_t *canonical = json_string(text);
    if (!canonical)
        return mr_fail_oom(err);
    json_decref(*value);
    *value = canonical;
    return MR_OK;
}

static enum mr_status check_records(void *base, const char *path, json_t **value, struct mr_err *err)
{
    const struct mr_task_request *wanted = base;
    int64_t max = wanted->web->config->max_records;
    if (json_integer_value(*value) >= 1 && json_integer_value(*value) <= max)
        return MR_OK;
    return mr_field_fail_range(err, MR_CODE_OUT_OF_RANGE, path, 1, max);
}

enum {
    FILE_TASK = MR_TASK_REQUEST_CONVERT | MR_TASK_REQUEST_EDIT,
    ANY_TASK = FILE_TASK | MR_TASK_REQUEST_INSERT_RECORDS,
};
#define AT(member) MR_FIELD_AT(struct mr_task_request, given.member)

static const struct request_field {
    struct mr_field field;
    unsigned uses; /* of enum mr_task_request_use */
} fields[] = {
    {{"newFormat", MR_FIELD_WORD, AT(new_format), .words = &mr_format_words,
      .code = MR_CODE_UNSUPPORTED_FORMAT},
     FILE_TASK | MR_TASK_REQUEST_REDO},
    {{"options", MR_FIELD_OBJECT, AT(options), .text_too = true, .check = check_options},
     FILE_TASK | MR_TASK_REQUEST_REDO | MR_TASK_REQUEST_PROBE},
    {{"preset", MR_FIELD_WORD, AT(preset), .words = &mr_preset_words, .code = MR_CODE_UNKNOWN_PRESET},
     MR_TASK_REQUEST_EDIT | MR_TASK_REQUEST_REDO},
    {{"url", MR_FIELD_TEXT, AT(url), .check = check_source_url}, FILE_TASK | MR_TASK_REQUEST_PROBE},
    {{"upload_id", MR_FIELD_TEXT, AT(upload_id), .check = check_upload_id},
     FILE_TASK | MR_TASK_REQUEST_PROBE},
    {{"priority", MR_FIELD_WORD, AT(priority), .words = &priority_words, .code = MR_CODE_UNKNOWN_PRIORITY},
     ANY_TASK | MR_TASK_REQUEST_REDO},
    {{"callback_url", MR_FIELD_TEXT, AT(callback_url), .check = check_callback_url},
     ANY_TASK | MR_TASK_REQUEST_REDO},
    {{"reuse", MR_FIELD_FLAG, AT(reuse)}, FILE_TASK | MR_TASK_REQUEST_REDO},
    {{"kind", MR_FIELD_WORD, AT(kind), .words = &kind_words, .code = MR_CODE_UNKNOWN_KIND}, ANY_TASK},
    {{"records", MR_FIELD_INTEGER, AT(records), .check = check_records}, MR_TASK_REQUEST_INSERT_RECORDS},
    {{"name", MR_FIELD_TEXT, AT(name), .max = TEXT_MAX}, MR_TASK_REQUEST_INSERT_RECORDS},
    {{"description", MR_FIELD_TEXT, AT(description), .max = TEXT_MAX}, MR_TASK_REQUEST_INSERT_RECORDS},
};
static const struct mr_field_table table = {.rows = MR_FIELD_LARGER_ROWS(fields),
                                            .noun = "field",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

/* Two of the older systems spell the format of a task in answers otherwise than in requests: both are accepted. */
static const char *canonical(const char *name)
{
    return strcmp(name, "new_format") == 0 ? "newFormat" : name;
}

enum mr_status mr_task_request_check_name(const char *name, struct mr_err *err)
{
    if (mr_task_request_is_file(name))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s must be a file, in multipart/form-data", name);
    return mr_fields_check_name(&table, canonical(name), err);
}

enum mr_status mr_task_request_take(struct mr_task_request *wanted, const char *name, const json_t *value,
                                    bool is_form, struct mr_err *err)
{
    MR_TRY(mr_task_request_check_name(name, err));
    return mr_fields_take(&table, wanted, wanted->fields, canonical(name), value, is_form, err);
}

enum mr_status mr_task_request_take_body(struct mr_task_request *wanted, struct mr_request *req,
                                         struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    const char *name;
    json_t *value;
    MR_TRY(mr_body_fields(req, &body, err));
    json_object_foreach (body, name, value)
        MR_TRY(mr_task_request_take(wanted, name, value, mr_body_is_form(req), err));
    return MR_OK;
}

enum mr_status mr_task_request_check_use(const struct mr_task_request *wanted, enum mr_task_request_use use,
                                         struct mr_err *err)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!(fields[i].uses & use) && json_object_get(wanted->fields, fields[i].field.name))
            return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "%s is not a field of this kind of task",
                                fields[i].field.name);
    return MR_OK;
}

enum mr_status mr_task_request_check_preset(const struct mr_task_request *wanted, struct mr_err *err)
{
    if (!wanted->given.preset || !wanted->given.options)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_PRESET_AND_OPTIONS, "options cannot be combined with preset");
}
