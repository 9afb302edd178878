#include "web/outbox_publisher.h"

#include "shared/base/cleanup.h"

static void free_all(struct mr_pubsub_message *wire, char **texts, size_t count)
{
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    free(wire);
}

enum mr_status mr_outbox_publish(struct mr_pubsub *pubsub, const char *topic,
                                 const struct mr_message *messages, size_t count, int timeout_ms,
                                 struct mr_err *err)
{
    if (count == 0)
        return MR_OK;
    struct mr_pubsub_message *wire = calloc(count, sizeof *wire);
    char **texts = calloc(count, sizeof *texts);
    const char **attributes = calloc(count, 3 * sizeof *attributes);
    enum mr_status status = wire && texts && attributes ? MR_OK : mr_fail_oom(err);
    for (size_t i = 0; status == MR_OK && i < count; i++) {
        status = mr_message_encode(&messages[i], &texts[i], err);
        attributes[3 * i] = "kind";
        attributes[3 * i + 1] = messages[i].kind;
        wire[i] = (struct mr_pubsub_message){.data = texts[i], .attributes = &attributes[3 * i]};
    }
    if (status == MR_OK)
        status = mr_pubsub_publish(pubsub, topic, wire, count, timeout_ms, err);
    free_all(wire, texts, count);
    free(attributes);
    return status;
}
