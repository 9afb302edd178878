#include "shared/gcp/permissions.h"

#include "shared/gcp/answer.h"

enum { MISSING_MAX = 200 };

static bool contains(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        const char *text = json_string_value(item);
        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

enum mr_status mr_permissions_check(const struct mr_http_response *res, const char *const *wanted,
                                    struct mr_err *err)
{
    MR_AUTO_JSON json_t *answer = NULL;
    MR_TRY(mr_answer_json(res, &answer, err));
    const json_t *granted = json_object_get(answer, "permissions"); /* absent when there is none */
    char missing[MISSING_MAX] = "";
    size_t used = 0;
    for (; *wanted && used < sizeof missing; wanted++)
        if (!contains(granted, *wanted))
            used +=
                (size_t)snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "", *wanted);
    return used ? mr_fail(err, MR_DENIED, "this service account lacks %s", missing) : MR_OK;
}
