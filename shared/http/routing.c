#include "shared/http/routing.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"

/* Copies raw without doubled and trailing slashes and notes where its segments begin. */
static enum mr_status split(const char *raw, struct mr_path *path, struct mr_err *err)
{
    size_t len = 0;
    while (*raw) {
        raw += strspn(raw, "/");
        size_t segment = strcspn(raw, "/");
        if (!segment)
            break;
        if (segment > MR_PATH_MAX - 2 || len > MR_PATH_MAX - 2 - segment ||
            path->count == MR_PATH_SEGMENTS_MAX)
            return mr_fail_code(err, MR_CODE_PATH_TOO_LONG, "the path is too long");
        path->text[len++] = '/';
        path->segments[path->count++].start = len;
        memcpy(path->text + len, raw, segment);
        len += segment;
        raw += segment;
    }
    if (!len)
        path->text[len++] = '/';
    path->text[len] = '\0';
    return MR_OK;
}

static enum mr_status decode_segments(struct mr_path *path, struct mr_err *err)
{
    size_t used = 0;
    for (size_t i = 0; i < path->count; i++) {
        const char *raw = path->text + path->segments[i].start;
        size_t len = strcspn(raw, "/");
        char *decoded = path->decoded + used;
        memcpy(decoded, raw, len);
        decoded[len] = '\0';
        enum mr_status status = mr_percent_decode(decoded, false, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "path");
        if (!mr_utf8_is_valid(decoded, strlen(decoded)))
            return mr_fail(err, MR_INVALID, "the path must be UTF-8");
        path->segments[i].decoded = used;
        used += strlen(decoded) + 1; /* the NUL replaces the slash, so it fits as text does */
    }
    return MR_OK;
}

enum mr_status mr_path_parse(const char *raw, struct mr_path *ret, struct mr_err *err)
{
    ret->count = 0;
    if (*raw != '/')
        return mr_fail(err, MR_INVALID, "the path must begin with a slash");
    if (!mr_utf8_is_valid(raw, strlen(raw)))
        return mr_fail(err, MR_INVALID, "the path must be UTF-8");
    MR_TRY(split(raw, ret, err));
    return decode_segments(ret, err);
}

/* One segment of a pattern: a literal, or {name} or {name*} with a literal after it. */
struct part {
    const char *name; /* NULL for a pure literal */
    size_t name_len;
    bool rest; /* {name*} */
    const char *literal;
    size_t literal_len;
};

static struct part parse_part(const char *text, size_t len)
{
    const char *close = *text == '{' ? memchr(text, '}', len) : NULL;
    if (!close)
        return (struct part){.literal = text, .literal_len = len};
    struct part part = {.name = text + 1, .name_len = (size_t)(close - text - 1)};
    part.rest = part.name_len && close[-1] == '*';
    part.name_len -= part.rest;
    part.literal = close + 1;
    part.literal_len = len - (size_t)(close + 1 - text);
    return part;
}

static bool add_param(struct mr_route_match *match, const struct part *part, const char *value, size_t len)
{
    if (match->count == MR_ROUTE_PARAMS_MAX || len >= sizeof match->text - match->used)
        return false;
    match->params[match->count].name = part->name;
    match->params[match->count].name_len = part->name_len;
    match->params[match->count].value = match->used;
    match->count++;
    memcpy(match->text + match->used, value, len);
    match->text[match->used + len] = '\0';
    match->used += len + 1;
    return true;
}

static bool match_segment(const struct part *part, const char *segment, struct mr_route_match *match)
{
    size_t len = strlen(segment);
    if (len < part->literal_len)
        return false;
    size_t value_len = len - part->literal_len;
    if (memcmp(segment + value_len, part->literal, part->literal_len) != 0)
        return false;
    return part->name ? value_len > 0 && add_param(match, part, segment, value_len) : value_len == 0;
}

static bool match_pattern(const char *pattern, const struct mr_path *path, struct mr_route_match *match)
{
    match->count = match->used = 0;
    size_t i = 0;
    for (pattern += strspn(pattern, "/"); *pattern; pattern += strspn(pattern, "/"), i++) {
        size_t len = strcspn(pattern, "/");
        struct part part = parse_part(pattern, len);
        if (i == path->count)
            return false;
        if (part.rest) {
            const char *rest = path->text + path->segments[i].start;
            return add_param(match, &part, rest, strlen(rest));
        }
        if (!match_segment(&part, path->decoded + path->segments[i].decoded, match))
            return false;
        pattern += len;
    }
    return i == path->count;
}

static bool serves(const struct mr_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

enum mr_routing mr_route_find(const struct mr_route *routes, size_t count, const char *method,
                              const struct mr_path *path, struct mr_route_match *ret)
{
    enum mr_routing result = MR_ROUTE_NOT_FOUND;
    for (size_t i = 0; i < count; i++) {
        if (!match_pattern(routes[i].pattern, path, ret))
            continue;
        if (serves(&routes[i], method)) {
            ret->route = &routes[i];
            return MR_ROUTE_FOUND;
        }
        result = MR_ROUTE_OTHER_METHOD;
    }
    ret->route = NULL;
    ret->count = 0;
    return result;
}

const char *mr_route_param(const struct mr_route_match *match, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < match->count; i++)
        if (match->params[i].name_len == len && memcmp(match->params[i].name, name, len) == 0)
            return match->text + match->params[i].value;
    return NULL;
}

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
enum { METHODS = sizeof methods / sizeof *methods };

bool mr_route_knows_method(const char *method)
{
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(methods[i], method) == 0)
            return true;
    return false;
}

static bool serves_any(const struct mr_route *routes, size_t count, const char *method)
{
    for (size_t i = 0; i < count; i++)
        if (serves(&routes[i], method))
            return true;
    return false;
}

void mr_route_allow_all(const struct mr_route *routes, size_t count, char out[MR_ALLOW_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(methods[i], "OPTIONS") == 0 || serves_any(routes, count, methods[i]))
            used += (size_t)snprintf(out + used, MR_ALLOW_MAX - used, "%s%s", used ? ", " : "", methods[i]);
}

void mr_route_allow(const struct mr_route *routes, size_t count, const struct mr_path *path,
                    char out[MR_ALLOW_MAX])
{
    struct mr_route_match match;
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < METHODS; i++)
        if (mr_route_find(routes, count, methods[i], path, &match) == MR_ROUTE_FOUND)
            used += (size_t)snprintf(out + used, MR_ALLOW_MAX - used, "%s%s", used ? ", " : "", methods[i]);
}
