#include "shared/base/log_text.h"

enum { SEVERITY_WIDTH = 8, TIME_START = 11, TIME_LENGTH = 12 /* of "2026-01-31T12:34:56.789012Z" */ };

static const char *text_of(const json_t *entry, const char *name)
{
    const char *text = json_string_value(json_object_get(entry, name));
    return text ? text : "";
}

static bool is_plain(const char *text, const char *also)
{
    for (const char *p = text; *p; p++)
        if ((*p < '!' || *p > '~' || *p == '"' || *p == '\\') && !strchr(also, *p))
            return false;
    return *text != '\0';
}

static enum mr_status add_value(const json_t *value, const char *also, struct mr_buf *line,
                                struct mr_err *err)
{
    const char *text = json_string_value(value);
    if (text && is_plain(text, also))
        return mr_buf_append_str(line, text, err);
    MR_AUTO_STR char *json =
        json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    return json ? mr_buf_append_str(line, json, err) : mr_fail_oom(err);
}

/* Those that stand at the begin of the line, or that only Cloud Logging needs. */
static bool is_shown(const char *name)
{
    return strcmp(name, "severity") != 0 && strcmp(name, "time") != 0 && strcmp(name, "message") != 0 &&
           strcmp(name, "program") != 0 && strncmp(name, "logging.googleapis.com/", 23) != 0;
}

static enum mr_status add_fields(const json_t *entry, const char *prefix, struct mr_buf *line,
                                 struct mr_err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)entry, name, value) {
        if (!*prefix && !is_shown(name))
            continue;
        if (!*prefix && json_is_object(value)) {
            MR_TRY(add_fields(value, name, line, err));
            continue;
        }
        MR_TRY(mr_buf_appendf(line, err, " %s%s%s=", prefix, *prefix ? "." : "", name));
        MR_TRY(add_value(value, "", line, err));
    }
    return MR_OK;
}

enum mr_status mr_log_text(const json_t *entry, struct mr_buf *line, struct mr_err *err)
{
    const char *time = text_of(entry, "time");
    if (strlen(time) > TIME_START)
        time += TIME_START;
    MR_TRY(mr_buf_appendf(line, err, "%.*s %-*s %s: ", TIME_LENGTH, time, SEVERITY_WIDTH,
                          text_of(entry, "severity"), text_of(entry, "program")));
    MR_TRY(add_value(json_object_get(entry, "message"), " \"", line, err));
    return add_fields(entry, "", line, err);
}
