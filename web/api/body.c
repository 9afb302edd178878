#include "web/api/body.h"

#include "shared/http/form.h"

#include <strings.h>

enum { FIELDS_MAX = 64 << 10 };

static enum mr_status add_part(struct mr_form *form, const struct mr_form_part *part, json_t *fields,
                               struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELDS_MAX);
    char name[128];
    snprintf(name, sizeof name, "%s", part->name); /* the part does not outlive the reading of its value */
    if (json_object_get(fields, name))
        return mr_fail_code(err, MR_CODE_REPEATED_FIELD, "%s is given twice", name);
    enum mr_status status = mr_form_value(form, &value, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", name);
    if (json_object_set_new(fields, name, json_string(mr_buf_str(&value))) != 0)
        return mr_fail(err, MR_INVALID, "%s must be UTF-8", name);
    return MR_OK;
}

static enum mr_status read_form(struct mr_request *req, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    MR_AUTO_JSON json_t *fields = json_object();
    if (!fields)
        return mr_fail_oom(err);
    const struct mr_form_part *part = NULL;
    MR_TRY(mr_form_open(req, &form, err));
    MR_TRY(mr_form_next(form, &part, err));
    while (part) {
        MR_TRY(add_part(form, part, fields, err));
        MR_TRY(mr_form_next(form, &part, err));
    }
    *ret = MR_TAKE(fields);
    return MR_OK;
}

bool mr_body_is_form(const struct mr_request *req)
{
    return mr_request_is_type(req, "multipart/form-data") ||
           mr_request_is_type(req, "application/x-www-form-urlencoded");
}

enum mr_status mr_body_check_coding(const struct mr_request *req, struct mr_err *err)
{
    const char *coding = mr_request_header(req, "Content-Encoding");
    if (!coding || !*coding || strcasecmp(coding, "identity") == 0)
        return MR_OK;
    return mr_fail(err, MR_UNSUPPORTED, "Content-Encoding must be left out: the body must not be compressed");
}

static enum mr_status fail_type(struct mr_err *err)
{
    return mr_fail(err, MR_UNSUPPORTED,
                   "Content-Type must be application/json, multipart/form-data or "
                   "application/x-www-form-urlencoded");
}

enum mr_status mr_body_fields(struct mr_request *req, json_t **ret, struct mr_err *err)
{
    MR_TRY(mr_body_check_coding(req, err));
    if (mr_body_is_form(req))
        return read_form(req, ret, err);
    if (!mr_request_is_json(req)) /* whatever its size */
        return fail_type(err);
    if (mr_request_content_length(req) > FIELDS_MAX) /* before reading any of it */
        return mr_fail(err, MR_TOO_LARGE, "body must have at most %d bytes", FIELDS_MAX);
    MR_AUTO_JSON json_t *fields = NULL;
    MR_TRY(mr_request_json(req, FIELDS_MAX, &fields, err));
    if (!json_is_object(fields))
        return mr_fail(err, MR_INVALID, "body must be a JSON object");
    *ret = MR_TAKE(fields);
    return MR_OK;
}

enum mr_status mr_body_text(const json_t *fields, const char *const *names, const char **ret,
                            struct mr_err *err)
{
    for (const char *const *name = names; *name; name++) {
        const json_t *value = json_object_get(fields, *name);
        if (!value || json_is_null(value))
            continue;
        if (!json_is_string(value))
            return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s must be a string", *name);
        if (json_string_length(value) == 0)
            break;
        *ret = json_string_value(value);
        return MR_OK;
    }
    return mr_fail_code(err, MR_CODE_MISSING_FIELD, "%s is required", names[0]);
}
