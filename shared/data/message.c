#include "shared/data/message.h"

#include "shared/base/json.h"

#include <ctype.h>

enum { VERSION = 1 };

enum mr_status mr_message_encode(const struct mr_message *message, char **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *root =
        json_pack("{s:i,s:s,s:I,s:I}", "v", VERSION, "kind", message->kind, "task_id",
                  (json_int_t)message->task_id, "generation", (json_int_t)message->generation);
    if (message->id && json_object_set_new(root, "id", json_integer(message->id)) != 0)
        return mr_fail_oom(err);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    *ret = text;
    return MR_OK;
}

static bool is_word(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= MR_KIND_MAX)
        return false;
    for (; *text; text++)
        if (!islower((unsigned char)*text) && *text != '_')
            return false;
    return true;
}

static enum mr_status natural(const json_t *root, const char *key, int64_t *ret, struct mr_err *err)
{
    const json_t *value = json_object_get(root, key);
    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        return mr_fail(err, MR_INVALID, "message: %s must be a whole number, at least 0", key);
    *ret = json_integer_value(value);
    return MR_OK;
}

enum mr_status mr_message_decode(const char *text, size_t len, struct mr_message *ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *root = NULL;
    enum mr_status status = mr_json_parse(text, len, JSON_REJECT_DUPLICATES, &root, err);
    if (status == MR_EXHAUSTED)
        return status;
    if (!json_is_object(root))
        return mr_fail(err, MR_INVALID, "message must be a JSON object");
    if (json_integer_value(json_object_get(root, "v")) != VERSION)
        return mr_fail(err, MR_UNSUPPORTED, "message: v must be %d", VERSION);
    const char *kind = json_string_value(json_object_get(root, "kind"));
    if (!kind || !is_word(kind))
        return mr_fail(err, MR_INVALID, "message: kind must be a lower-case word");
    struct mr_message message = {0};
    snprintf(message.kind, sizeof message.kind, "%s", kind);
    MR_TRY(natural(root, "task_id", &message.task_id, err));
    MR_TRY(natural(root, "generation", &message.generation, err));
    MR_TRY(natural(root, "id", &message.id, err));
    *ret = message;
    return MR_OK;
}
