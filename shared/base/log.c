#include "shared/base/log.h"

#include "shared/base/clock.h"
#include "shared/base/log_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

static const char *const severity_names[] = {"DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"};
enum { SEVERITIES = sizeof severity_names / sizeof *severity_names, TEXT_MAX = 64 << 10 };

struct mr_log mr_log_init(const char *program, enum mr_severity min)
{
    return (struct mr_log){.fd = STDERR_FILENO, .min = min, .program = program};
}

void mr_log_set_format(struct mr_log *log, const char *format)
{
    log->is_text = strcmp(format, "text") == 0;
}

bool mr_log_parse_severity(const char *text, enum mr_severity *ret_severity)
{
    for (int i = 0; i < SEVERITIES; i++)
        if (strcasecmp(text, severity_names[i]) == 0) {
            *ret_severity = (enum mr_severity)i;
            return true;
        }
    return false;
}

static bool all_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

static bool trace_from_traceparent(struct mr_log *log, const char *value)
{
    /* https://www.w3.org/TR/trace-context/#traceparent-header */
    if (!value || strlen(value) < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-')
        return false;
    if (!all_hex(value, 2) || !all_hex(value + 3, 32) || !all_hex(value + 36, 16))
        return false;
    snprintf(log->trace, sizeof log->trace, "%.32s", value + 3);
    snprintf(log->span, sizeof log->span, "%.16s", value + 36);
    log->is_unsampled = all_hex(value + 53, 2) && !(strtoul(value + 53, NULL, 16) & 1);
    return true;
}

static void trace_from_cloud(struct mr_log *log, const char *value)
{
    if (!value || strnlen(value, 32) < 32 || !all_hex(value, 32))
        return;
    snprintf(log->trace, sizeof log->trace, "%.32s", value);
    log->span[0] = '\0';
    log->is_unsampled = strstr(value, ";o=0") != NULL;
    if (value[32] == '/' && isdigit((unsigned char)value[33]))
        snprintf(log->span, sizeof log->span, "%016" PRIx64, (uint64_t)strtoull(value + 33, NULL, 10));
}

void mr_log_set_trace(struct mr_log *log, const char *traceparent, const char *cloud_trace)
{
    if (!trace_from_traceparent(log, traceparent))
        trace_from_cloud(log, cloud_trace);
}

static void write_line(int fd, const char *line, size_t len)
{
    while (len) {
        ssize_t n = write(fd, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* there is nowhere to report it */
        line += n;
        len -= (size_t)n;
    }
}

static void set_string(json_t *entry, const char *key, const char *value)
{
    json_object_set_new(entry, key, mr_json_text(value)); /* it may contain input */
}

static json_t *new_entry(const struct mr_log *log, enum mr_severity severity, const char *message)
{
    json_t *entry = json_object();
    if (!entry)
        return NULL;
    char now[MR_TIME_TEXT_MAX];
    mr_time_format(mr_time_now_us(), now);
    set_string(entry, "severity", severity_names[severity]);
    set_string(entry, "time", now);
    set_string(entry, "message", message);
    set_string(entry, "program", log->program);
    if (log->trace[0]) {
        char name[256];
        bool full = log->project && log->project[0];
        snprintf(name, sizeof name, full ? "projects/%s/traces/%s" : "%s%s", full ? log->project : "",
                 log->trace);
        set_string(entry, "logging.googleapis.com/trace", name);
        if (log->span[0])
            set_string(entry, "logging.googleapis.com/spanId", log->span);
    }
    return entry;
}

static void write_text(const struct mr_log *log, const json_t *entry)
{
    MR_AUTO(mr_buf) struct mr_buf line = MR_BUF_INIT(TEXT_MAX);
    if (mr_log_text(entry, &line, NULL) == MR_OK && mr_buf_append_str(&line, "\n", NULL) == MR_OK)
        write_line(log->fd, line.data, line.len);
}

static void write_entry(const struct mr_log *log, const json_t *entry)
{
    if (log->is_text) {
        write_text(log, entry);
        return;
    }
    char *line = json_dumps(entry, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!line)
        return;
    size_t len = strlen(line);
    line[len] = '\n'; /* replaces the NUL: one write, one line */
    write_line(log->fd, line, len + 1);
    free(line);
}

static void emit(const struct mr_log *log, enum mr_severity severity, const char *message,
                 const struct mr_err *cause, const char *fields, va_list args)
{
    MR_AUTO_JSON json_t *entry = new_entry(log, severity, message);
    if (!entry)
        return;
    if (cause) {
        json_t *error = json_object();
        set_string(error, "status", mr_status_name(cause->status));
        set_string(error, "code", mr_code_name(cause->code));
        set_string(error, "message", cause->message);
        json_object_set_new(entry, "error", error);
    }
    if (fields) {
        MR_AUTO_JSON json_t *extra = json_vpack_ex(NULL, 0, fields, args);
        if (extra)
            json_object_update_missing(entry, extra);
        else
            set_string(entry, "log_fault", "fields could not be packed");
    }
    write_entry(log, entry);
}

void mr_log_write(const struct mr_log *log, enum mr_severity severity, const char *message,
                  const char *fields, ...)
{
    if (severity < log->min)
        return;
    va_list args;
    va_start(args, fields);
    emit(log, severity, message, NULL, fields, args);
    va_end(args);
}

void mr_log_err(const struct mr_log *log, enum mr_severity severity, const char *message,
                const struct mr_err *cause, const char *fields, ...)
{
    if (severity < log->min)
        return;
    va_list args;
    va_start(args, fields);
    emit(log, severity, message, cause, fields, args);
    va_end(args);
}
