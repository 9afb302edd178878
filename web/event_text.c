#include "web/event_text.h"

static char *dump(const json_t *data)
{
    return json_dumps(data, MR_JSON_FLAGS);
}

static enum mr_status append(struct mr_buf *text, const char *name, const json_t *data, struct mr_err *err)
{
    MR_AUTO_STR char *json = dump(data);
    return json ? mr_buf_appendf(text, err, "event: %s\ndata: %s\n\n", name, json) : mr_fail_oom(err);
}

/* What a client needs to know that it must read the task. */
static enum mr_status append_partial(struct mr_buf *text, const char *name, const json_t *view,
                                     struct mr_err *err)
{
    static const char *const kept[] = {"id", "file_id", "status", "progress"};
    MR_AUTO_JSON json_t *data = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_set(data, kept[i], json_object_get(view, kept[i])) != 0)
            return mr_fail_oom(err);
    if (json_object_set_new(data, "partial", json_true()) != 0)
        return mr_fail_oom(err);
    return append(text, name, data, err);
}

enum mr_status mr_event_text_task(struct mr_buf *text, const struct mr_task_event *event,
                                  enum mr_event_change change, struct mr_err *err)
{
    const char *name = event->is_final ? "result" : change == MR_CHANGED_PROGRESS ? "progress" : "state";
    /* A queue holds a few events of full size (event_hub.h); what never fits would never arrive. */
    if (event->is_brief || json_dumpb(event->view, NULL, 0, MR_JSON_FLAGS) > MR_EVENT_DATA_MAX)
        return append_partial(text, name, event->view, err);
    return append(text, name, event->view, err);
}

enum mr_status mr_event_text_deletion(struct mr_buf *text, int64_t task_id, struct mr_err *err)
{
    MR_AUTO_JSON json_t *data = json_pack("{s:I}", "id", (json_int_t)task_id);
    return data ? append(text, "deleted", data, err) : mr_fail_oom(err);
}
