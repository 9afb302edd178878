#include "shared/data/tasks_search.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

/* $1 to $7; a user's tasks are read along an index, and each is looked at. */
/* clang-format off */
#define FITS(whose)                                                                                          \
    " FROM tasks t WHERE " whose                                                                             \
    " AND ($2::text IS NULL OR t.status = ANY (string_to_array($2, ',')))"                                   \
    " AND ($3::text IS NULL OR t.kind = $3) AND ($4::text IS NULL OR t.new_format = $4)"                     \
    " AND ($5::text IS NULL OR strpos(lower(t.original_file), lower($5)) > 0)"                               \
    " AND ($6::text IS NULL OR t.created_at > $6::timestamptz)"                                              \
    " AND ($7::text IS NULL OR t.created_at < $7::timestamptz)"
#define MINE "t.user_id = $1::bigint"
#define ANYS "$1::bigint = 0"
#define PAGE(whose, behind, order)                                                                           \
    "WITH found AS MATERIALIZED (SELECT t.id," MR_TASK_SUMMARY_BYTES " AS size" FITS(whose)                  \
    " AND t.id " behind " $8::bigint ORDER BY t.id" order " LIMIT $9::bigint),"                              \
    " page AS (SELECT id, sum(size) OVER upto AS bytes, sum(size) OVER upto - size AS before FROM found"     \
    " WINDOW upto AS (ORDER BY id" order "))"                                                                \
    " SELECT page.bytes," MR_TASK_SUMMARY_COLUMNS " FROM page JOIN tasks t ON t.id = page.id"                \
    MR_TASK_VIEW_JOIN " WHERE page.before < $10::bigint ORDER BY page.id" order
/* [everybody's][falling] */
static const struct mr_statement pages[2][2] = {
    {{"tasks_search_rising", PAGE(MINE, ">", ""), 10}, {"tasks_search_falling", PAGE(MINE, "<", " DESC"), 10}},
    {{"tasks_search_all_rising", PAGE(ANYS, ">", ""), 10},
     {"tasks_search_all_falling", PAGE(ANYS, "<", " DESC"), 10}},
};
static const struct mr_statement counts[2] = {
    {"tasks_count", "SELECT count(*) AS number" FITS(MINE), 7},
    {"tasks_count_all", "SELECT count(*) AS number" FITS(ANYS), 7},
};
/* clang-format on */

bool mr_task_filter_searches(const struct mr_task_filter *filter)
{
    return filter->statuses || filter->kind || filter->format || filter->name || filter->created_after ||
           filter->created_before;
}

enum { FILTER_PARAMS = 7 };

static void fill(const struct mr_task_filter *filter, const char *user, const char **params)
{
    const char *const values[FILTER_PARAMS] = {user,
                                               filter->status ? filter->status : filter->statuses,
                                               filter->kind,
                                               filter->format,
                                               filter->name,
                                               filter->created_after,
                                               filter->created_before};
    memcpy(params, values, sizeof values);
}

enum mr_status mr_tasks_search(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                               int64_t after, struct mr_rows **ret, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX], behind[MR_INT64_TEXT_MAX], max[MR_INT64_TEXT_MAX], bytes[MR_INT64_TEXT_MAX];
    const char *params[FILTER_PARAMS + 3] = {[FILTER_PARAMS] = behind, max, bytes};
    mr_int64_text(user_id, user);
    mr_int64_text(after, behind);
    mr_int64_text(filter->max, max);
    mr_int64_text(MR_TASK_PAGE_BYTES, bytes);
    fill(filter, user, params);
    return mr_db_exec(db, &pages[user_id == MR_EVERYBODY][filter->falling], params, ret, err);
}

enum mr_status mr_tasks_count(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                              int64_t *ret, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX];
    const char *params[FILTER_PARAMS];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user_id, user);
    fill(filter, user, params);
    MR_TRY(mr_db_exec(db, &counts[user_id == MR_EVERYBODY], params, &rows, err));
    *ret = mr_rows_int64(rows, 0, "number");
    return MR_OK;
}
