#include "worker/media/av.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

enum mr_status mr_av_fail(struct mr_err *err, enum mr_code code, int averror, const char *format, ...)
{
    char text[MR_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (averror == AVERROR(ENOMEM))
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "%s: out of memory", text);
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(averror, reason, sizeof reason);
    return mr_fail_code(err, code, "%s: %s", text, reason);
}

static bool is_memory_short(size_t needed)
{
    void *memory = malloc(needed);
    free(memory);
    return !memory;
}

enum mr_status mr_av_fail_for(struct mr_err *err, enum mr_code code, int averror, size_t needed,
                              const char *text)
{
    return mr_av_fail(err, code, is_memory_short(needed) ? AVERROR(ENOMEM) : averror, "%s", text);
}
