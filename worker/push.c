#include "worker/push.h"

#include "shared/gcp/push.h"
#include "worker/dispatcher.h"
#include "worker/metrics.h"
#include "worker/push_answer.h"

enum { ENVELOPE_MAX = 1 << 20, HTTP_ACK = 204 };

static enum mr_status read_push(struct mr_request *req, struct mr_push *ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *envelope = NULL;
    MR_TRY(mr_request_json(req, ENVELOPE_MAX, &envelope, err));
    return mr_push_parse(envelope, ret, err);
}

/* Messages of all other kinds are for a task. Work without a slot must be short. */
static const struct {
    const char *kind;
    mr_message_run *run;
    bool without_slot;
} runs[] = {
    {MR_KIND_UNIT, mr_unit_run, false},
    {MR_KIND_DELIVER, mr_deliver_run, false},
    {MR_KIND_PING, mr_ping_run, true},
};

static enum mr_status answer(struct mr_worker *worker, struct mr_request *req, enum mr_job_end end,
                             struct mr_err *err)
{
    mr_worker_metrics_answered(worker->metrics, end);
    return mr_respond_empty(req, mr_push_answer(end), err);
}

static enum mr_status dispatch(struct mr_worker *worker, struct mr_request *req,
                               const struct mr_message *message, const struct mr_log *log, struct mr_err *err)
{
    mr_message_run *run = mr_job_run;
    bool without_slot = false;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        if (strcmp(message->kind, runs[i].kind) == 0)
            run = runs[i].run, without_slot = runs[i].without_slot;
    if (without_slot)
        return answer(worker, req, run(worker, message, log, NULL), err);
    if (mr_slots_stopping(&worker->slots))
        return answer(worker, req, MR_JOB_BUSY, err);
    return mr_dispatcher_take(worker->dispatcher, req, run, message, log, err);
}

static const char *attribute(const struct mr_push *push, const char *name)
{
    const char *value = json_string_value(json_object_get(push->attributes, name));
    return value ? value : "";
}

/* Priority and trace are attributes of the push, beside the message. A trace that does not fit is dropped. */
static enum mr_status read_message(const struct mr_push *push, struct mr_message *ret, struct mr_err *err)
{
    const char *trace = attribute(push, "traceparent");
    MR_TRY(mr_message_decode(push->data, push->data_len, ret, err));
    ret->high = strcmp(attribute(push, "priority"), "high") == 0;
    ret->published_s = push->published_s;
    if (strlen(trace) < sizeof ret->traceparent)
        snprintf(ret->traceparent, sizeof ret->traceparent, "%s", trace);
    return MR_OK;
}

/* This job's log lines carry the publisher's trace. */
static struct mr_log log_of(const struct mr_request *req, const struct mr_push *push)
{
    struct mr_log log = *mr_request_log(req);
    if (attribute(push, "traceparent")[0])
        mr_log_set_trace(&log, attribute(push, "traceparent"), NULL);
    return log;
}

enum mr_status mr_push_handle(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_worker *worker = app;
    MR_AUTO(mr_push) struct mr_push push = {0};
    struct mr_message message = {0};
    MR_TRY(mr_oidc_admit(worker->cloud.oidc, req, err));
    MR_TRY(read_push(req, &push, err));
    struct mr_log log = log_of(req, &push);
    struct mr_err reason = {0};
    if (read_message(&push, &message, &reason) != MR_OK) {
        /* A retry would not help: it is logged and dropped. */
        mr_log_err(&log, MR_LOG_ERROR, "message dropped", &reason, "{s:s}", "message_id", push.message_id);
        return mr_respond_empty(req, HTTP_ACK, err);
    }
    return dispatch(worker, req, &message, &log, err);
}
