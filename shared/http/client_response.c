/* Responses: their headers, and what their HTTP status means. */
#include "shared/http/client.h"

#include <strings.h>

void mr_http_response_free(struct mr_http_response *res)
{
    if (!res)
        return;
    mr_buf_free(&res->body);
    mr_buf_free(&res->head);
    *res = (struct mr_http_response){0};
}

/* The value of `line` if it is the header `name`, else NULL; *ret_len is its length without blanks at the end. */
static const char *header_value(const char *line, size_t line_len, const char *name, size_t *ret_len)
{
    size_t name_len = strlen(name);
    if (line_len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return NULL;
    const char *value = line + name_len + 1, *end = line + line_len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r", end[-1]))
        end--;
    *ret_len = (size_t)(end - value);
    return value;
}

/* The value of the next such header from *line on, which moves behind it; NULL if there is none. */
static const char *next_value(const char **line, const char *name, size_t *ret_len)
{
    const char *value = NULL;
    while (**line && !value) {
        size_t line_len = strcspn(*line, "\n");
        value = header_value(*line, line_len, name, ret_len);
        *line += line_len + ((*line)[line_len] == '\n');
    }
    return value;
}

bool mr_http_response_header(const struct mr_http_response *res, const char *name, char *out, size_t out_size)
{
    const char *found = NULL, *line = mr_buf_str(&res->head), *value;
    size_t found_len = 0, len = 0;
    while ((value = next_value(&line, name, &len))) {
        found = value;
        found_len = len;
    }
    if (!found || found_len >= out_size)
        return false;
    memcpy(out, found, found_len);
    out[found_len] = '\0';
    return true;
}

bool mr_http_response_header_list(const struct mr_http_response *res, const char *name, char *out,
                                  size_t out_size)
{
    const char *line = mr_buf_str(&res->head), *value;
    size_t used = 0, len = 0;
    while ((value = next_value(&line, name, &len))) {
        int n = snprintf(out + used, out_size - used, "%s%.*s", used ? ", " : "", (int)len, value);
        if (n < 0 || (size_t)n >= out_size - used)
            return false;
        used += (size_t)n;
    }
    return used > 0;
}

bool mr_http_status_is_transient(int http_status)
{
    static const int transient[] = {408, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof transient / sizeof *transient; i++)
        if (transient[i] == http_status)
            return true;
    return false;
}

enum mr_status mr_http_status_to_status(int http_status)
{
    static const struct {
        int http;
        enum mr_status status;
    } table[] = {
        {401, MR_DENIED},    {403, MR_DENIED},   {404, MR_NOT_FOUND}, {408, MR_TIMEOUT},   {409, MR_CONFLICT},
        {410, MR_NOT_FOUND}, {412, MR_CONFLICT}, {413, MR_TOO_LARGE}, {429, MR_EXHAUSTED}, {504, MR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].http == http_status)
            return table[i].status;
    return http_status >= 500 ? MR_UNAVAILABLE : MR_INVALID;
}
