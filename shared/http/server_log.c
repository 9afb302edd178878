#include "shared/http/server_log.h"

#include "shared/base/clock.h"

void mr_request_line_log(const struct mr_log *log, bool all, const struct mr_request_line *line)
{
    if (!all && line->status < 500)
        return;
    char message[128];
    snprintf(message, sizeof message, "%s %d", line->method, line->status);
    mr_log_write(log, line->status >= 500 ? MR_LOG_WARNING : MR_LOG_INFO, message,
                 "{s:s, s:s, s:i, s:f, s:I, s:I, s:s, s:b, s:s*, s:s*, s:o*}", "method", line->method, "path",
                 line->path, "status", line->status, "ms",
                 (double)(mr_time_monotonic_us() - line->started_us) / 1000.0, "request_bytes",
                 (json_int_t)line->request_bytes, "response_bytes", (json_int_t)line->response_bytes,
                 "remote", line->remote, "cut_off", line->cut_off, "code", line->code, "reason", line->reason,
                 "user_id", line->user_id ? json_integer(line->user_id) : NULL);
}
