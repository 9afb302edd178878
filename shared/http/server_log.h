/* The log line of a request, for the files server*.c: written when the request is answered, by whichever thread. */
#ifndef MR_HTTP_SERVER_LOG_H
#define MR_HTTP_SERVER_LOG_H

#include "shared/base/log.h"

#include <stdint.h>

struct mr_request_line {
    const char *method, *path, *remote;
    int status;
    int64_t started_us;                    /* monotonic */
    int64_t request_bytes, response_bytes; /* of the bodies */
    bool cut_off;                          /* the answer did not reach its end */
    const char *code, *reason;             /* of a failure; NULL: none */
    int64_t user_id;                       /* 0: unknown */
};

/* Statuses of 500 and above are always logged, the others only if `all`. */
void mr_request_line_log(const struct mr_log *log, bool all, const struct mr_request_line *line);

#endif
