#include "shared/data/task_rows.h"

#include "shared/base/random.h"

enum column_type { TEXT, INTEGER, JSON, PERMILLE };

/* The fields of a view, in order. */
static const struct {
    const char *name;
    enum column_type type;
} columns[] = {
    {"id", INTEGER},
    {"file_id", TEXT},
    {"kind", TEXT},
    {"status", TEXT},
    {"progress", PERMILLE},
    {"timestamp", TEXT},
    {"user_id", INTEGER},
    {"new_format", TEXT},
    {"preset", TEXT},
    {"options", JSON},
    {"priority", TEXT},
    {"original_file", TEXT},
    {"original_format", TEXT},
    {"original_size", INTEGER},
    {"url", TEXT},
    {"callback_url", TEXT},
    {"uploaded_filename", TEXT},
    {"processed_file", TEXT},
    {"processed_format", TEXT},
    {"processed_size", INTEGER},
    {"outputs", JSON},
    {"uploaded_at", TEXT},
    {"processed_at", TEXT},
    {"attempts", INTEGER},
    {"error", JSON},
    {"receipt", JSON},
    {"result", JSON},
    {"deliveries", JSON},
};

static json_t *field_of(const struct mr_rows *rows, int row, size_t column)
{
    const char *name = columns[column].name;
    if (mr_rows_is_null(rows, row, name))
        return json_null();
    switch (columns[column].type) {
    case INTEGER:
        return json_integer(mr_rows_int64(rows, row, name));
    case PERMILLE: /* the API uses per cent */
        return json_real((double)mr_rows_int64(rows, row, name) / 10.0);
    case JSON:
        return json_loads(mr_rows_text(rows, row, name), JSON_DECODE_ANY, NULL);
    case TEXT:
        break;
    }
    return json_string(mr_rows_text(rows, row, name));
}

static enum mr_status object_of(const struct mr_rows *rows, int row, bool (*wants)(const char *name),
                                json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *view = json_object();
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (wants(columns[i].name) && json_object_set_new(view, columns[i].name, field_of(rows, row, i)) != 0)
            return mr_fail_oom(err);
    *ret = MR_TAKE(view);
    return MR_OK;
}

static bool of_view(const char *name)
{
    return name[0];
}

static bool of_summary(const char *name)
{
    return strcmp(name, "receipt") != 0;
}

static bool of_brief(const char *name)
{
    static const char *const names[] = {"id", "file_id", "status", "progress"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

enum mr_status mr_task_view_of(const struct mr_rows *rows, int row, json_t **ret, struct mr_err *err)
{
    return object_of(rows, row, of_view, ret, err);
}

enum mr_status mr_task_summary_of(const struct mr_rows *rows, int row, json_t **ret, struct mr_err *err)
{
    return object_of(rows, row, of_summary, ret, err);
}

enum mr_status mr_task_brief_of(const struct mr_rows *rows, int row, json_t **ret, struct mr_err *err)
{
    return object_of(rows, row, of_brief, ret, err);
}

enum mr_status mr_task_not_found(struct mr_err *err)
{
    return mr_fail(err, MR_NOT_FOUND, "task not found");
}

enum mr_status mr_task_key_of(int64_t user_id, const char *text, struct mr_task_key *ret, struct mr_err *err)
{
    int64_t id = 0;
    bool is_id = mr_parse_int64(text, 1, INT64_MAX, &id);
    if (!is_id && !mr_uuid_is_valid(text))
        return mr_task_not_found(err);
    mr_int64_text(user_id, ret->user);
    ret->id = is_id ? text : NULL;
    ret->file_id = is_id ? NULL : text;
    return MR_OK;
}

struct mr_message mr_task_message_of(const struct mr_rows *rows, int row)
{
    struct mr_message message = {
        .task_id = mr_rows_int64(rows, row, "id"),
        .generation = mr_rows_int64(rows, row, "generation"),
        .high = mr_rows_int64(rows, row, "high") != 0,
    };
    snprintf(message.kind, sizeof message.kind, "%s", mr_rows_text(rows, row, "kind"));
    snprintf(message.traceparent, sizeof message.traceparent, "%s", mr_rows_text(rows, row, "traceparent"));
    return message;
}
