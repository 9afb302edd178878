#include "shared/base/json.h"

#include "shared/base/memory.h"
#include "shared/base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mr_json_prepare(void)
{
    json_set_alloc_funcs(mr_memory_malloc, free);
}

/* jansson does not always say that memory ran out, but malloc does. */
enum mr_status mr_json_parse(const char *text, size_t len, size_t flags, json_t **ret, struct mr_err *err)
{
    json_error_t fault = {0};
    errno = 0;
    *ret = json_loadb(text, len, flags, &fault);
    if (*ret)
        return MR_OK;
    if (errno == ENOMEM || json_error_code(&fault) == json_error_out_of_memory)
        return mr_fail_oom(err);
    return mr_fail(err, MR_INVALID, "line %d, column %d: %s", fault.line, fault.column, fault.text);
}

json_t *mr_json_text(const char *text)
{
    size_t len = strlen(text);
    if (mr_utf8_is_valid(text, len))
        return json_string(text);
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    mr_utf8_storable(text, len, copy, len + 1);
    json_t *json = json_string(copy);
    free(copy);
    return json;
}
