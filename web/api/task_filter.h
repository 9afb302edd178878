/* The query of a list of tasks. Any thread. */
#ifndef MR_WEB_API_TASK_FILTER_H
#define MR_WEB_API_TASK_FILTER_H

#include "shared/base/buf.h"
#include "shared/data/tasks.h"
#include "shared/http/server.h"

/* Fills the filter, whose texts belong to the request and to statuses. MR_INVALID for a
 * value that is none. */
MR_MUST_CHECK enum mr_status mr_task_filter_read(const struct mr_request *req, struct mr_buf *statuses,
                                                 struct mr_task_filter *filter, struct mr_err *err);

#endif
