#include "shared/base/err.h"

#include "shared/base/utf8.h"

#include <stdarg.h>

static const struct {
    const char *name;
    bool transient;
} statuses[MR_STATUS_COUNT] = {
    [MR_OK] = {"ok", false},
    [MR_INVALID] = {"invalid", false},
    [MR_UNAUTHENTICATED] = {"unauthenticated", false},
    [MR_DENIED] = {"denied", false},
    [MR_NOT_FOUND] = {"not_found", false},
    [MR_CONFLICT] = {"conflict", false},
    [MR_TOO_LARGE] = {"too_large", false},
    [MR_UNSUPPORTED] = {"unsupported", false},
    [MR_CANCELED] = {"canceled", false},
    [MR_INTERNAL] = {"internal", false},
    [MR_UNAVAILABLE] = {"unavailable", true},
    [MR_TIMEOUT] = {"timeout", true},
    [MR_EXHAUSTED] = {"exhausted", true},
};

bool mr_status_is_transient(enum mr_status status)
{
    return (unsigned)status < MR_STATUS_COUNT && statuses[status].transient;
}

const char *mr_status_name(enum mr_status status)
{
    return (unsigned)status < MR_STATUS_COUNT ? statuses[status].name : "unknown";
}

/* A message may quote a file, a server or a client: whoever stores or prints it need not look at it again. */
static void make_storable(struct mr_err *err)
{
    mr_utf8_storable(err->message, strlen(err->message), err->message, sizeof err->message);
}

static void fill(struct mr_err *err, enum mr_status status, enum mr_code code, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void fill(struct mr_err *err, enum mr_status status, enum mr_code code, const char *format,
                 va_list args)
{
    if (!err)
        return;
    err->status = status;
    err->code = code;
    err->retry_after_s = 0;
    vsnprintf(err->message, sizeof err->message, format, args);
    make_storable(err);
}

enum mr_status mr_fail(struct mr_err *err, enum mr_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, mr_code_of_status(status), format, args);
    va_end(args);
    return status;
}

enum mr_status mr_fail_code(struct mr_err *err, enum mr_code code, const char *format, ...)
{
    enum mr_status status = mr_code_row(code)->status;
    va_list args;
    va_start(args, format);
    fill(err, status, code, format, args);
    va_end(args);
    return status;
}

enum mr_status mr_fail_as(struct mr_err *err, enum mr_status status, enum mr_code code, const char *format,
                          ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, code, format, args);
    va_end(args);
    return status;
}

enum mr_status mr_fail_from(struct mr_err *err, const struct mr_err *failure)
{
    if (err)
        *err = *failure;
    return failure->status;
}

enum mr_status mr_fail_errno(struct mr_err *err, enum mr_status status, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, mr_code_of_status(status), format, args);
    va_end(args);
    if (err) {
        size_t used = strlen(err->message);
        char reason[128];
        /* The GNU strerror_r: thread-safe, and returns the text to use. */
        const char *text = strerror_r(errnum, reason, sizeof reason);
        snprintf(err->message + used, sizeof err->message - used, ": %s", text);
        make_storable(err);
    }
    return status;
}

enum mr_status mr_retry_after(struct mr_err *err, enum mr_status status, int64_t seconds)
{
    if (err)
        err->retry_after_s = seconds < 1 ? 1 : seconds > INT32_MAX ? INT32_MAX : (int)seconds;
    return status;
}

enum mr_status mr_fail_oom(struct mr_err *err)
{
    return mr_fail(err, MR_EXHAUSTED, "out of memory");
}

enum mr_status mr_wrap(struct mr_err *err, enum mr_status status, const char *format, ...)
{
    if (status == MR_OK || !err)
        return status;
    char old[MR_ERR_MESSAGE_MAX];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof err->message) {
        size_t room = sizeof err->message - (size_t)used;
        snprintf(err->message + used, room, ": %.*s", (int)room, old);
    }
    make_storable(err);
    return status;
}
