#include "web/event_text.h"

enum { DECIMAL_DIGITS = 15 }; /* as in responses: 12.3 stays 12.3 */

static enum mr_status append(struct mr_buf *text, const char *name, const json_t *data, struct mr_err *err)
{
    MR_AUTO_STR char *json = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(DECIMAL_DIGITS));
    return json ? mr_buf_appendf(text, err, "event: %s\ndata: %s\n\n", name, json) : mr_fail_oom(err);
}

enum mr_status mr_event_text_task(struct mr_buf *text, const struct mr_task_event *event,
                                  enum mr_event_change change, struct mr_err *err)
{
    const char *name = event->is_final ? "result" : change == MR_CHANGED_PROGRESS ? "progress" : "state";
    return append(text, name, event->view, err);
}

enum mr_status mr_event_text_deletion(struct mr_buf *text, int64_t task_id, struct mr_err *err)
{
    MR_AUTO_JSON json_t *data = json_pack("{s:I}", "id", (json_int_t)task_id);
    return data ? append(text, "deleted", data, err) : mr_fail_oom(err);
}
