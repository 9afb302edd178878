#include "infra/local/emulator/api/mask.h"

enum { FIELD_NAME_MAX = 64 };

/* Writes one segment of a field path in camelCase, whichever spelling it has. False if it is too long. */
static bool camel_case(const char *text, size_t len, char out[FIELD_NAME_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < len && used < FIELD_NAME_MAX - 1; i++) {
        bool upper = text[i] == '_' && i + 1 < len && text[i + 1] >= 'a' && text[i + 1] <= 'z';
        out[used++] = upper ? (char)(text[++i] - 'a' + 'A') : text[i];
    }
    out[used] = '\0';
    return used > 0 && used < FIELD_NAME_MAX - 1;
}

static bool is_allowed(const char *name, const char *const *allowed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(allowed[i], name) == 0)
            return true;
    return false;
}

static enum mr_status replace(json_t *target, const char *name, json_t *value, struct mr_err *err)
{
    if (value)
        return json_object_set(target, name, value) == 0 ? MR_OK : mr_fail_oom(err);
    json_object_del(target, name);
    return MR_OK;
}

/* The object target[name], created if it is not an object yet. NULL without memory. */
static json_t *descend(json_t *target, const char *name)
{
    json_t *inner = json_object_get(target, name);
    if (json_is_object(inner))
        return inner;
    return json_object_set_new(target, name, json_object()) == 0 ? json_object_get(target, name) : NULL;
}

static enum mr_status apply_path(json_t *target, const json_t *source, const char *path, size_t len,
                                 const char *const *allowed, size_t allowed_count, struct mr_err *err)
{
    const char *segment = path;
    for (size_t left = len;;) {
        const char *dot = memchr(segment, '.', left);
        size_t segment_len = dot ? (size_t)(dot - segment) : left;
        char name[FIELD_NAME_MAX];
        if (!camel_case(segment, segment_len, name) ||
            (segment == path && !is_allowed(name, allowed, allowed_count)))
            return mr_fail(err, MR_INVALID, "Invalid updateMask: '%.*s' is not a field that can be updated.",
                           (int)len, path);
        json_t *value = json_object_get(source, name);
        if (!dot)
            return replace(target, name, value, err);
        target = descend(target, name);
        if (!target)
            return mr_fail_oom(err);
        source = value;
        segment = dot + 1;
        left -= segment_len + 1;
    }
}

enum mr_status em_mask_apply(json_t *target, const json_t *source, const char *mask,
                             const char *const *allowed, size_t allowed_count, struct mr_err *err)
{
    if (!*mask)
        return mr_fail(err, MR_INVALID, "updateMask must name at least one field.");
    for (const char *path = mask; path;) {
        const char *comma = strchr(path, ',');
        size_t len = comma ? (size_t)(comma - path) : strlen(path);
        MR_TRY(apply_path(target, source, path, len, allowed, allowed_count, err));
        path = comma ? comma + 1 : NULL;
    }
    return MR_OK;
}
