#include "web/api/task_filter.h"

#include "shared/base/encoding.h"
#include "shared/data/task_state.h"
#include "shared/media/formats.h"

#include <inttypes.h>
#include <time.h>

enum { LIST_MAX = 1000, NAME_MAX_BYTES = 255, STATES_MAX = 6 };

static enum mr_status query_number(const struct mr_request *req, const char *name, int64_t min, int64_t max,
                                   int64_t *value, struct mr_err *err)
{
    const char *text = mr_request_query(req, name);
    if (text && !mr_parse_int64(text, min, max, value))
        return mr_fail(err, MR_INVALID, "%s must be a whole number from %" PRId64 " to %" PRId64, name, min,
                       max);
    return MR_OK;
}

/* One state, or several with commas between them. */
static enum mr_status add_states(const char *value, struct mr_buf *statuses, size_t *count,
                                 struct mr_err *err)
{
    while (*value || !*count) {
        char word[32];
        enum mr_task_state state;
        size_t len = strcspn(value, ",");
        snprintf(word, sizeof word, "%.*s", len < sizeof word ? (int)len : 0, value);
        if (!mr_task_state_parse(word, &state) || *count == STATES_MAX)
            return mr_fail(err, MR_INVALID,
                           "status must be states of tasks, e.g. processed or failed,canceled");
        MR_TRY(mr_buf_appendf(statuses, err, "%s%s", *count ? "," : "", word));
        ++*count;
        value += len + (value[len] == ',');
    }
    return MR_OK;
}

static enum mr_status read_states(const struct mr_request *req, struct mr_buf *statuses,
                                  struct mr_task_filter *filter, struct mr_err *err)
{
    const char *name, *value;
    size_t count = 0;
    for (size_t i = 0; mr_request_query_at(req, i, &name, &value); i++)
        if (strcmp(name, "status") == 0)
            MR_TRY(add_states(value, statuses, &count, err));
    if (count == 1)
        filter->status = mr_buf_str(statuses);
    else if (count)
        filter->statuses = mr_buf_str(statuses);
    return MR_OK;
}

/* "2026-01-31", or with "T12:00:00", a fraction, and "Z" or "+01:00". What is no date PostgreSQL refuses. */
static enum mr_status query_time(const struct mr_request *req, const char *name, const char **ret,
                                 struct mr_err *err)
{
    struct tm tm = {0};
    const char *text = mr_request_query(req, name), *end = text ? strptime(text, "%Y-%m-%d", &tm) : NULL;
    if (!text)
        return MR_OK;
    if (end && *end) {
        end = *end == 'T' ? strptime(end + 1, "%H:%M:%S", &tm) : NULL;
        if (end && *end == '.')
            end += 1 + strspn(end + 1, "0123456789");
        if (end)
            end = *end == 'Z' ? end + 1 : *end == '+' || *end == '-' ? strptime(end + 1, "%H:%M", &tm) : NULL;
    }
    if (!end || *end || strlen(text) > 40 || tm.tm_year < 0)
        return mr_fail(err, MR_INVALID, "%s must be a time like 2026-01-31T12:00:00Z", name);
    *ret = text;
    return MR_OK;
}

static enum mr_status read_words(const struct mr_request *req, struct mr_task_filter *filter,
                                 struct mr_err *err)
{
    static const char *const kinds[] = {MR_KIND_CONVERT, MR_KIND_EDIT, MR_KIND_INSERT_RECORDS, MR_KIND_PROBE};
    const char *format = mr_request_query(req, "format"), *kind = mr_request_query(req, "kind");
    filter->name = mr_request_query(req, "name");
    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kind, kinds[i]) == 0)
            filter->kind = kind;
    if (kind && !filter->kind)
        return mr_fail_code(err, MR_CODE_UNKNOWN_KIND, "kind must be convert, edit, insert_records or probe");
    const struct mr_format *known = format ? mr_format_find(format) : NULL;
    if (format && !known)
        return mr_fail_code(err, MR_CODE_UNSUPPORTED_FORMAT, "format must be the format of a task, e.g. mp3");
    filter->format = known ? known->name : NULL;
    if (filter->name && strlen(filter->name) > NAME_MAX_BYTES)
        return mr_fail_code(err, MR_CODE_TOO_LONG, "name must have at most %d bytes", NAME_MAX_BYTES);
    return MR_OK;
}

enum mr_status mr_task_filter_read(const struct mr_request *req, struct mr_buf *statuses,
                                   struct mr_task_filter *filter, struct mr_err *err)
{
    int64_t order = 0, count = 0;
    MR_TRY(query_number(req, "max", 1, LIST_MAX, &filter->max, err));
    MR_TRY(query_number(req, "order", 0, 1, &order, err));
    MR_TRY(query_number(req, "count", 0, 1, &count, err));
    MR_TRY(query_number(req, "after", 1, INT64_MAX, &filter->after, err));
    filter->falling = order == 1;
    MR_TRY(read_states(req, statuses, filter, err));
    MR_TRY(read_words(req, filter, err));
    MR_TRY(query_time(req, "created_after", &filter->created_after, err));
    return query_time(req, "created_before", &filter->created_before, err);
}
