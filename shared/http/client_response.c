/* What callers of the HTTP client do with an answer: look at it, judge its status, or try again. */
#include "shared/base/encoding.h"
#include "shared/http/client.h"

#include <errno.h>
#include <strings.h>

void mr_http_response_free(struct mr_http_response *res)
{
    if (!res)
        return;
    mr_buf_free(&res->body);
    mr_buf_free(&res->head);
    *res = (struct mr_http_response){0};
}

/* The value of `line` if it is the header `name`, else NULL; *ret_len is its length without blanks around. */
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

bool mr_http_response_header(const struct mr_http_response *res, const char *name, char *out, size_t out_size)
{
    const char *found = NULL;
    size_t found_len = 0;
    const char *line = mr_buf_str(&res->head);
    while (*line) {
        size_t line_len = strcspn(line, "\n");
        size_t len = 0;
        const char *value = header_value(line, line_len, name, &len);
        if (value) {
            found = value;
            found_len = len;
        }
        line += line_len + (line[line_len] == '\n');
    }
    if (!found || found_len >= out_size)
        return false;
    memcpy(out, found, found_len);
    out[found_len] = '\0';
    return true;
}

static void wait_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* Full jitter: callers that failed together must not come back together. */
static int64_t jittered(int64_t bound_ms)
{
    uint64_t random = 0;
    if (mr_random_bytes(&random, sizeof random, NULL) != MR_OK)
        return bound_ms;
    return (int64_t)(random % ((uint64_t)bound_ms + 1));
}

bool mr_retry_again(const struct mr_retry *policy, struct mr_retry_state *state)
{
    int64_t now_us = mr_time_monotonic_us();
    if (!state->started_us)
        state->started_us = now_us;
    state->tries++;
    if (state->tries >= policy->attempts)
        return false;
    int64_t bound_ms = policy->base_ms;
    for (int i = 1; i < state->tries && bound_ms < policy->cap_ms; i++)
        bound_ms *= 2;
    int64_t delay_ms = jittered(bound_ms < policy->cap_ms ? bound_ms : policy->cap_ms);
    if (now_us - state->started_us + delay_ms * 1000 > policy->total_ms * 1000)
        return false;
    wait_ms(delay_ms);
    return true;
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
