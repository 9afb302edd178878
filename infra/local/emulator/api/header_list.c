#include "infra/local/emulator/api/header_list.h"

#include <string.h>

void em_header_list_free(struct em_header_list *headers)
{
    mr_buf_free(&headers->text);
}

enum mr_status em_header_list_add(struct em_header_list *headers, const char *name, const char *value,
                                  struct mr_err *err)
{
    if (headers->count == EM_HEADERS_MAX)
        return mr_fail(err, MR_TOO_LARGE, "more than %d headers", EM_HEADERS_MAX);
    MR_TRY(mr_buf_appendf(&headers->text, err, "%s: %s", name, value));
    MR_TRY(mr_buf_append(&headers->text, "", 1, err));
    headers->count++;
    return MR_OK;
}

enum mr_status em_header_list_add_bearer(struct em_header_list *headers, const char *token,
                                         struct mr_err *err)
{
    MR_AUTO_STR char *value = NULL;
    if (asprintf(&value, "Bearer %s", token) < 0)
        return mr_fail_oom(err);
    return em_header_list_add(headers, "Authorization", value, err);
}

const char *const *em_header_list_lines(struct em_header_list *headers)
{
    const char *line = headers->text.data;
    for (size_t i = 0; i < headers->count; i++, line += strlen(line) + 1)
        headers->lines[i] = line;
    headers->lines[headers->count] = NULL;
    return headers->lines;
}
