/* Log lines for people: "12:34:56.789 INFO    mediarun-web: POST 401 path=/api/tasks status=401". */
#ifndef MR_BASE_LOG_TEXT_H
#define MR_BASE_LOG_TEXT_H

#include "shared/base/buf.h"
#include "shared/base/json.h"

/* Appends the line of an entry as log.c makes it, without a newline. What is not plain ASCII is escaped as in JSON: it may
 * come from a client, and goes to a terminal. */
MR_MUST_CHECK enum mr_status mr_log_text(const json_t *entry, struct mr_buf *line, struct mr_err *err);

#endif
