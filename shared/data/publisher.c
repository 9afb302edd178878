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

/* The messages of one lane in the form of the wire. */
struct parcel {
    struct mr_pubsub_message *wire;
    char **texts;
    const char **attributes;
    size_t count;
};

static void parcel_free(struct parcel *parcel)
{
    for (size_t i = 0; parcel->texts && i < parcel->count; i++)
        free(parcel->texts[i]);
    free(parcel->texts);
    free(parcel->attributes);
    free(parcel->wire);
}
MR_DEFINE_VALUE_CLEANUP(parcel, parcel_free)

static enum mr_status add(struct parcel *parcel, const struct mr_message *message, struct mr_err *err)
{
    enum mr_status status = mr_message_encode(message, &parcel->texts[parcel->count], err);
    if (status != MR_OK)
        return status;
    const char **attributes = &parcel->attributes[ATTRIBUTE_SLOTS * parcel->count];
    attributes[0] = "kind";
    attributes[1] = message->kind;
    attributes[2] = "priority";
    attributes[3] = message->high ? "high" : "normal";
    if (message->traceparent[0]) {
        attributes[4] = "traceparent";
        attributes[5] = message->traceparent;
    }
    parcel->wire[parcel->count] =
        (struct mr_pubsub_message){.data = parcel->texts[parcel->count], .attributes = attributes};
    parcel->count++;
    return MR_OK;
}

static enum mr_status publish_lane(const struct mr_publisher *publisher, enum mr_lane lane,
                                   const struct mr_message *messages, size_t count, int timeout_ms,
                                   struct mr_err *err)
{
    MR_AUTO(parcel)
    struct parcel parcel = {.wire = calloc(count, sizeof *parcel.wire),
                            .texts = calloc(count, sizeof *parcel.texts),
                            .attributes = calloc(count, ATTRIBUTE_SLOTS * sizeof *parcel.attributes)};
    if (!parcel.wire || !parcel.texts || !parcel.attributes)
        return mr_fail_oom(err);
    for (size_t i = 0; i < count; i++) {
        if (mr_lane_of(&messages[i]) != lane)
            continue;
        enum mr_status status = add(&parcel, &messages[i], err);
        if (status != MR_OK)
            return status;
    }
    if (parcel.count == 0)
        return MR_OK;
    return mr_pubsub_publish(publisher->pubsub, publisher->topics[lane], parcel.wire, parcel.count,
                             timeout_ms, err);
}

enum mr_status mr_publish(const struct mr_publisher *publisher, const struct mr_message *messages,
                          size_t count, int timeout_ms, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    for (int lane = 0; status == MR_OK && count > 0 && lane < MR_LANES; lane++)
        status = publish_lane(publisher, (enum mr_lane)lane, messages, count, timeout_ms, err);
    return status;
}
