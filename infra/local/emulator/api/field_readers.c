#include "infra/local/emulator/api/fields.h"

#include "shared/base/encoding.h"

#include <ctype.h>

enum { MICROS = 1000000, FRACTION_DIGITS = 9 };
/* google.protobuf.Duration's own bound: about 10,000 years. */
static const int64_t duration_max_seconds = 315576000000;

enum mr_status em_field_wrong_type(const char *path, const char *expected, struct mr_err *err)
{
    return mr_fail(err, MR_INVALID, "Invalid value at '%s': expected %s.", path, expected);
}

enum mr_status em_read_string(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return em_field_wrong_type(path, "a string", err);
    *(const char **)target = json_string_value(value);
    return MR_OK;
}

enum mr_status em_read_bool(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_boolean(value))
        return em_field_wrong_type(path, "a boolean", err);
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
        return em_field_wrong_type(path, "an integer", err);
    *(int64_t *)target = number;
    return MR_OK;
}

/* Reads 1 to 9 digits after a decimal point as microseconds and drops finer digits. NULL if malformed. */
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
        return em_field_wrong_type(path, "a duration such as \"3.5s\"", err);
    int64_t seconds = 0;
    for (; isdigit((unsigned char)*text) && seconds <= duration_max_seconds; text++)
        seconds = seconds * 10 + (*text - '0');
    int64_t us = 0;
    if (*text == '.')
        text = read_fraction(text + 1, &us);
    if (!text || strcmp(text, "s") != 0 || seconds > duration_max_seconds)
        return em_field_wrong_type(path, "a duration such as \"3.5s\"", err);
    *(int64_t *)target = seconds * MICROS + us;
    return MR_OK;
}

/* Reads "Z" or "+hh:mm" as an offset in seconds. False if malformed. */
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
        return em_field_wrong_type(path, expected, err);
    *(int64_t *)target = ((int64_t)timegm(&tm) - offset) * MICROS + us;
    return MR_OK;
}

enum mr_status em_read_object(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_object(value))
        return em_field_wrong_type(path, "an object", err);
    *(json_t **)target = value;
    return MR_OK;
}

enum mr_status em_read_array(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_array(value))
        return em_field_wrong_type(path, "an array", err);
    *(json_t **)target = value;
    return MR_OK;
}

enum mr_status em_read_strings(void *target, json_t *value, const char *path, struct mr_err *err)
{
    if (!json_is_object(value))
        return em_field_wrong_type(path, "an object of strings", err);
    const char *key = NULL;
    json_t *item = NULL;
    json_object_foreach (value, key, item) {
        if (!json_is_string(item))
            return em_field_wrong_type(path, "an object of strings", err);
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
    /* Google's own clients send the default values of fields that their caller never set. */
    bool is_default = json_is_false(value) || (json_is_object(value) && json_object_size(value) == 0) ||
                      (json_is_array(value) && json_array_size(value) == 0) ||
                      (json_is_string(value) && json_string_length(value) == 0) ||
                      (json_is_integer(value) && json_integer_value(value) == 0);
    if (is_default)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_UNIMPLEMENTED, "The emulator does not implement '%s'.", path);
}
