#include "infra/local/emulator/pubsub/fields.h"

#include "shared/base/encoding.h"

#include <ctype.h>
#include <inttypes.h>

enum {
    PATH_MAX_LEN = 160,
    ID_MIN = 3,
    ID_MAX = 255,
    PAGE_DEFAULT = 100,
    PAGE_MAX = 1000,
    MICROS = 1000000,
    FRACTION_DIGITS = 9,
};
/* google.protobuf.Duration's own bound: about 10,000 years. */
static const int64_t duration_max_seconds = 315576000000;

static enum mr_status wrong_type(const char *path, const char *expected, struct mr_err *err)
{
    return mr_fail(err, MR_INVALID, "Invalid value at '%s': expected %s.", path, expected);
}

enum mr_status em_read_string(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return wrong_type(path, "a string", err);
    *(const char **)target = json_string_value(value);
    return MR_OK;
}

enum mr_status em_read_bool(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_boolean(value))
        return wrong_type(path, "a boolean", err);
    *(bool *)target = json_is_true(value);
    return MR_OK;
}

enum mr_status em_read_int(void *target, json_t *value, const char *path, struct mr_err *err)
{
    int64_t number = 0;
    if (json_is_integer(value))
        number = json_integer_value(value);
    else if (!json_is_string(value) ||
             !mr_parse_int64(json_string_value(value), INT64_MIN, INT64_MAX, &number))
        return wrong_type(path, "an integer", err);
    *(int64_t *)target = number;
    return MR_OK;
}

/* Reads 1 to 9 digits after a decimal point as microseconds (finer digits are cut off); NULL if malformed. */
static const char *read_fraction(const char *text, int64_t *ret_us)
{
    int64_t us = 0;
    int digits = 0;
    for (; isdigit((unsigned char)*text) && digits < FRACTION_DIGITS; text++, digits++)
        if (digits < 6)
            us = us * 10 + (*text - '0');
    if (digits == 0)
        return NULL;
    for (int i = digits; i < 6; i++)
        us *= 10;
    *ret_us = us;
    return text;
}

enum mr_status em_read_duration(void *target, json_t *value, const char *path, struct mr_err *err)
{
    const char *text = json_string_value(value);
    if (!text || !isdigit((unsigned char)*text))
        return wrong_type(path, "a duration such as \"3.5s\"", err);
    int64_t seconds = 0;
    for (; isdigit((unsigned char)*text) && seconds <= duration_max_seconds; text++)
        seconds = seconds * 10 + (*text - '0');
    int64_t us = 0;
    if (*text == '.')
        text = read_fraction(text + 1, &us);
    if (!text || strcmp(text, "s") != 0 || seconds > duration_max_seconds)
        return wrong_type(path, "a duration such as \"3.5s\"", err);
    *(int64_t *)target = seconds * MICROS + us;
    return MR_OK;
}

/* "Z" or "+hh:mm"; the offset in seconds. False if malformed. */
static bool read_offset(const char *text, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    unsigned hours = 0;
    unsigned minutes = 0;
    int used = 0;
    if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2)
        return false;
    if (used != 5 || text[6] != '\0' || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (int64_t)(hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
    return true;
}

enum mr_status em_read_time(void *target, json_t *value, const char *path, struct mr_err *err)
{
    const char *expected = "an RFC 3339 time";
    const char *text = json_string_value(value);
    struct tm tm = {0};
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    int64_t us = 0;
    int64_t offset = 0;
    if (rest && *rest == '.')
        rest = read_fraction(rest + 1, &us);
    if (!rest || !read_offset(rest, &offset))
        return wrong_type(path, expected, err);
    *(int64_t *)target = ((int64_t)timegm(&tm) - offset) * MICROS + us;
    return MR_OK;
}

enum mr_status em_read_object(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_object(value))
        return wrong_type(path, "an object", err);
    *(json_t **)target = value;
    return MR_OK;
}

enum mr_status em_read_array(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_array(value))
        return wrong_type(path, "an array", err);
    *(json_t **)target = value;
    return MR_OK;
}

enum mr_status em_read_strings(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_object(value))
        return wrong_type(path, "an object of strings", err);
    const char *key = NULL;
    json_t *item = NULL;
    json_object_foreach (value, key, item) {
        if (!json_is_string(item))
            return wrong_type(path, "an object of strings", err);
    }
    *(json_t **)target = value;
    return MR_OK;
}

enum mr_status em_read_ignored(void *target, json_t *value, const char *path, struct mr_err *err)
{
    (void)target;
    (void)value;
    (void)path;
    (void)err;
    return MR_OK;
}

enum mr_status em_read_unimplemented(void *target, json_t *value, const char *path, struct mr_err *err)
{
    (void)target;
    /* Google's own clients spell out defaults of fields that their caller never set. */
    bool is_default = json_is_false(value) || (json_is_object(value) && json_object_size(value) == 0) ||
                      (json_is_array(value) && json_array_size(value) == 0) ||
                      (json_is_string(value) && json_string_length(value) == 0) ||
                      (json_is_integer(value) && json_integer_value(value) == 0);
    if (is_default)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_UNIMPLEMENTED, "The emulator does not implement '%s'.", path);
}

enum mr_status em_pubsub_fields_read(json_t *object, const char *path, const struct em_field *fields,
                                     size_t count, void *out, struct mr_err *err)
{
    if (!json_is_object(object))
        return wrong_type(path, "an object", err);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach (object, key, value) {
        const struct em_field *field = NULL;
        for (size_t i = 0; i < count && !field; i++)
            if (strcmp(fields[i].name, key) == 0)
                field = &fields[i];
        if (!field)
            return mr_fail(err, MR_INVALID,
                           "Invalid JSON payload received. Unknown name \"%s\"%s%s%s: Cannot find field.",
                           key, *path ? " at '" : "", path, *path ? "'" : "");
        char full[PATH_MAX_LEN];
        snprintf(full, sizeof full, "%s%s%s", path, *path ? "." : "", key);
        if (json_is_null(value))
            continue;
        enum mr_status status = field->read((char *)out + field->offset, value, full, err);
        if (status)
            return status;
    }
    return MR_OK;
}

/* null means absent everywhere in protocol buffers' JSON: taking it out here spares each user the question.
 */
static void strip_nulls(json_t *json)
{
    size_t index = 0;
    const char *key = NULL;
    void *next = NULL;
    json_t *value = NULL;
    json_array_foreach (json, index, value)
        strip_nulls(value);
    json_object_foreach_safe(json, next, key, value)
    {
        if (json_is_null(value))
            json_object_del(json, key);
        else
            strip_nulls(value);
    }
}

enum mr_status em_google_body(struct mr_request *req, size_t max, json_t **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(max);
    MR_TRY(mr_request_body(req, &body, err));
    json_error_t fault;
    json_t *json =
        body.len == 0 ? json_object() : json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, &fault);
    if (!json && body.len == 0)
        return mr_fail_oom(err);
    if (!json)
        return mr_fail(err, MR_INVALID, "Invalid JSON payload received. Line %d, column %d: %s", fault.line,
                       fault.column, fault.text);
    if (!json_is_object(json)) {
        json_decref(json);
        return mr_fail(err, MR_INVALID, "Invalid JSON payload received. Expected an object.");
    }
    strip_nulls(json);
    *ret = json;
    return MR_OK;
}

enum mr_status em_check_range(const char *name, int64_t value, int64_t min, int64_t max, struct mr_err *err)
{
    if (value >= min && value <= max)
        return MR_OK;
    return mr_fail(err, MR_INVALID, "Invalid %s: %" PRId64 " (must be between %" PRId64 " and %" PRId64 ").",
                   name, value, min, max);
}

void em_duration_format(int64_t us, char out[EM_DURATION_TEXT_MAX])
{
    int64_t seconds = us / MICROS;
    int64_t micros = us % MICROS;
    if (micros == 0)
        snprintf(out, EM_DURATION_TEXT_MAX, "%" PRId64 "s", seconds);
    else if (micros % 1000 == 0)
        snprintf(out, EM_DURATION_TEXT_MAX, "%" PRId64 ".%03" PRId64 "s", seconds, micros / 1000);
    else
        snprintf(out, EM_DURATION_TEXT_MAX, "%" PRId64 ".%06" PRId64 "s", seconds, micros);
}

enum mr_status em_resource_id_check(const char *id, struct mr_err *err)
{
    size_t len = strlen(id);
    bool legal =
        len >= ID_MIN && len <= ID_MAX && isalpha((unsigned char)id[0]) != 0 && strncmp(id, "goog", 4) != 0;
    for (size_t i = 0; i < len && legal; i++)
        legal = isalnum((unsigned char)id[i]) != 0 || strchr("-_.~+%", id[i]) != NULL;
    if (legal)
        return MR_OK;
    return mr_fail(err, MR_INVALID,
                   "Invalid resource id '%s': 3 to 255 characters of [A-Za-z0-9-_.~+%%], starting with a "
                   "letter and not with \"goog\".",
                   id);
}

enum mr_status em_resource_name_check(const char *name, const char *collection, struct mr_err *err)
{
    const char *project = strncmp(name, "projects/", 9) == 0 ? name + 9 : NULL;
    const char *slash = project ? strchr(project, '/') : NULL;
    size_t len = strlen(collection);
    if (!slash || slash == project || strncmp(slash + 1, collection, len) != 0 || slash[1 + len] != '/')
        return mr_fail(err, MR_INVALID, "Invalid resource name '%s': expected projects/{project}/%s/{id}.",
                       name, collection);
    return em_resource_id_check(slash + 1 + len + 1, err);
}

enum mr_status em_resource_name_of(const struct mr_request *req, const char *collection, const char *param,
                                   char **ret, struct mr_err *err)
{
    char *name = NULL;
    if (asprintf(&name, "projects/%s/%s/%s", mr_request_param(req, "p"), collection,
                 mr_request_param(req, param)) < 0)
        return mr_fail_oom(err);
    *ret = name;
    return MR_OK;
}

enum mr_status em_url_check(const char *field, const char *url, struct mr_err *err)
{
    const char *host = NULL;
    if (strncasecmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (strncasecmp(url, "http://", 7) == 0)
        host = url + 7;
    bool legal = host && (isalnum((unsigned char)*host) || *host == '[');
    for (const char *c = url; *c && legal; c++)
        legal = *c > ' ' && *c < 0x7f;
    return legal ? MR_OK : mr_fail(err, MR_INVALID, "Invalid %s '%s': expected an http(s) URL.", field, url);
}

enum mr_status em_page_of(const struct mr_request *req, struct em_page *ret, struct mr_err *err)
{
    const char *size_text = mr_request_query(req, "pageSize");
    const char *token = mr_request_query(req, "pageToken");
    int64_t size = 0;
    if (size_text && *size_text && !mr_parse_int64(size_text, 0, INT32_MAX, &size))
        return mr_fail(err, MR_INVALID, "Invalid pageSize '%s'.", size_text);
    if (size == 0)
        size = PAGE_DEFAULT;
    *ret = (struct em_page){.size = (size_t)(size < PAGE_MAX ? size : PAGE_MAX), .after = token ? token : ""};
    return MR_OK;
}
