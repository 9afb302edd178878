#include "shared/data/publisher.h"

#include "shared/base/cleanup.h"

enum { ATTRIBUTE_SLOTS = 7 }; /* three pairs and the NULL */

struct mr_publisher mr_publisher_of(const struct mr_config *config, struct mr_pubsub *pubsub)
{
    return (struct mr_publisher){.pubsub = pubsub,
                                 .topics = {[MR_LANE_NORMAL] = config->topic,
                                            [MR_LANE_HIGH] = config->topic_high,
                                            [MR_LANE_DELIVERIES] = config->topic_deliveries}};
}

enum mr_lane mr_lane_of(const struct mr_message *message)
{
    if (strcmp(message->kind, MR_KIND_DELIVER) == 0)
        return MR_LANE_DELIVERIES;
    return message->high || strcmp(message->kind, MR_KIND_PING) == 0 ? MR_LANE_HIGH : MR_LANE_NORMAL;
}

/* The messages of one lane, as Pub/Sub takes them. */
struct batch {
    struct mr_pubsub_message *wire;
    char **texts;
    const char **attributes;
    struct trace *traces; /* NULL without a tracer */
    size_t count;
};

/* The span of one message's publication, and itself as the parent of others. */
struct trace {
    struct mr_span span;
    char parent[MR_TRACEPARENT_MAX];
};

static void batch_free(struct batch *batch)
{
    for (size_t i = 0; batch->texts && i < batch->count; i++)
        free(batch->texts[i]);
    free(batch->texts);
    free(batch->attributes);
    free(batch->traces);
    free(batch->wire);
}
MR_DEFINE_VALUE_CLEANUP(batch, batch_free)

static const char *trace_message(const struct mr_publisher *publisher, struct batch *batch,
                                 const struct mr_message *message)
{
    if (!batch->traces || !message->traceparent[0])
        return message->traceparent;
    struct trace *trace = &batch->traces[batch->count];
    struct mr_log within = {0};
    mr_log_set_trace(&within, message->traceparent, NULL);
    trace->span = mr_span_begin(publisher->tracer, &within, "publish", MR_SPAN_PRODUCER);
    if (!mr_span_is_recorded(&trace->span))
        return message->traceparent;
    mr_span_set_number(&trace->span, "mediarun.task_id", message->task_id);
    mr_span_traceparent(&trace->span, trace->parent);
    return trace->parent;
}

static void end_traces(struct batch *batch, enum mr_status status)
{
    for (size_t i = 0; batch->traces && i < batch->count; i++)
        mr_span_end(&batch->traces[i].span, status);
}

static enum mr_status add(const struct mr_publisher *publisher, struct batch *batch,
                          const struct mr_message *message, struct mr_err *err)
{
    MR_TRY(mr_message_encode(message, &batch->texts[batch->count], err));
    const char **attributes = &batch->attributes[ATTRIBUTE_SLOTS * batch->count];
    attributes[0] = "kind";
    attributes[1] = message->kind;
    attributes[2] = "priority";
    attributes[3] = message->high ? "high" : "normal";
    if (message->traceparent[0]) {
        attributes[4] = "traceparent";
        attributes[5] = trace_message(publisher, batch, message);
    }
    batch->wire[batch->count] =
        (struct mr_pubsub_message){.data = batch->texts[batch->count], .attributes = attributes};
    batch->count++;
    return MR_OK;
}

static enum mr_status fill(const struct mr_publisher *publisher, struct batch *batch,
                           const struct mr_message *messages, size_t count, struct mr_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (mr_lane_of(&messages[i]) != mr_lane_of(&messages[0]))
            return mr_fail(err, MR_INTERNAL, "messages of two lanes in one call");
        MR_TRY(add(publisher, batch, &messages[i], err));
    }
    return MR_OK;
}

enum mr_status mr_publish(const struct mr_publisher *publisher, const struct mr_message *messages,
                          size_t count, int timeout_ms, struct mr_err *err)
{
    if (count == 0)
        return MR_OK;
    MR_AUTO(batch)
    struct batch batch = {.wire = calloc(count, sizeof *batch.wire),
                          .texts = calloc(count, sizeof *batch.texts),
                          .attributes = calloc(count, ATTRIBUTE_SLOTS * sizeof *batch.attributes),
                          .traces = publisher->tracer ? calloc(count, sizeof *batch.traces) : NULL};
    if (!batch.wire || !batch.texts || !batch.attributes)
        return mr_fail_oom(err);
    MR_TRY(fill(publisher, &batch, messages, count, err));
    enum mr_status status = mr_pubsub_publish(publisher->pubsub, publisher->topics[mr_lane_of(&messages[0])],
                                              batch.wire, batch.count, timeout_ms, err);
    end_traces(&batch, status);
    return status;
}
