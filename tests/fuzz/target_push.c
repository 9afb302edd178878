/* A Pub/Sub push: the envelope, then the message in it. What is decoded survives being encoded again. */
#include "tests/fuzz/fuzz.h"

#include "shared/data/message.h"
#include "shared/gcp/push.h"

#include <string.h>

static void check_message(const char *text, size_t len)
{
    struct mr_err err = {0};
    struct mr_message message = {0}, again = {0};
    enum mr_status status = mr_message_decode(text, len, &message, &err);
    if (status != MR_OK) {
        mr_fuzz_check_failure(status, &err);
        return;
    }
    MR_HOLDS(memchr(message.kind, '\0', sizeof message.kind));
    MR_AUTO_STR char *encoded = NULL;
    MR_HOLDS(mr_message_encode(&message, &encoded, &err) == MR_OK);
    MR_HOLDS(mr_message_decode(encoded, strlen(encoded), &again, &err) == MR_OK);
    MR_HOLDS(strcmp(message.kind, again.kind) == 0 && message.task_id == again.task_id &&
             message.generation == again.generation && message.id == again.id);
}

void mr_fuzz_push(const uint8_t *data, size_t len)
{
    check_message((const char *)data, len);
    MR_AUTO_JSON json_t *envelope = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
    if (!envelope)
        return;
    struct mr_err err = {0};
    MR_AUTO(mr_push) struct mr_push push = {0};
    enum mr_status status = mr_push_parse(envelope, &push, &err);
    if (status != MR_OK) {
        mr_fuzz_check_failure(status, &err);
        return;
    }
    MR_HOLDS(push.data && push.data[push.data_len] == '\0' && push.message_id);
    const char *name;
    json_t *value;
    json_object_foreach (push.attributes, name, value)
        MR_HOLDS(json_is_string(value));
    check_message(push.data, push.data_len);
}
