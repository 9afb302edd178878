#include "infra/local/emulator/api/fields.h"

#include <inttypes.h>

enum { PATH_BYTES_MAX = 160, MICROS = 1000000 };

static const struct em_field *find(const struct em_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

enum mr_status em_fields_read(json_t *object, const char *path, const struct em_field *fields, size_t count,
                              void *out, struct mr_err *err)
{
    if (!json_is_object(object))
        return em_field_wrong_type(path, "an object", err);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach (object, key, value) {
        const struct em_field *field = find(fields, count, key);
        if (!field)
            return mr_fail(err, MR_INVALID,
                           "Invalid JSON payload received. Unknown name \"%s\"%s%s%s: Cannot find field.",
                           key, *path ? " at '" : "", path, *path ? "'" : "");
        char full[PATH_BYTES_MAX];
        snprintf(full, sizeof full, "%s%s%s", path, *path ? "." : "", key);
        if (!json_is_null(value))
            MR_TRY(field->read((char *)out + field->offset, value, full, err));
    }
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
