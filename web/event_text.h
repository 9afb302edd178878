/* The text of an event (text/event-stream) without its id, which differs from stream to stream. Pure; any
 * thread. */
#ifndef MR_WEB_EVENT_TEXT_H
#define MR_WEB_EVENT_TEXT_H

#include "shared/base/buf.h"
#include "shared/data/events.h"

enum {
    MR_EVENT_DATA_MAX = 64 << 10,               /* bytes of an event's data */
    MR_EVENT_TEXT_MAX = MR_EVENT_DATA_MAX + 64, /* bytes of the whole, for the cap of a buffer */
};

/* Appends the event for the present state of a task: "result" if it is final, otherwise "progress" or
 * "state", as the change says. The data is the task's view or, if that is larger than MR_EVENT_DATA_MAX (a task
 * may have hundreds of outputs), {id, file_id, status, progress, partial: true}: the client reads the task. */
MR_MUST_CHECK enum mr_status mr_event_text_task(struct mr_buf *text, const struct mr_task_event *event,
                                                enum mr_event_change change, struct mr_err *err);

/* Appends the event for a task that was deleted. */
MR_MUST_CHECK enum mr_status mr_event_text_deletion(struct mr_buf *text, int64_t task_id, struct mr_err *err);

#endif
