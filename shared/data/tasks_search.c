#include "shared/data/tasks_search.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

/*
 * A search walks along an index, from the numbers that the times of the filter leave, and looks at LOOKED_MAX tasks at most: a
 * page whose walk ended so says how far it came (looked_to), and may be short or empty. Several states are as many walks.
 * Rows are compared, as in tasks.c, and what a walk takes is filtered afterwards: so none reads more than its bound.
 */
/* clang-format off */
#define LOOKED_MAX "2500"
#define SLACK " interval '1 min'" /* by which numbers and times of creation may disagree (last_task_before) */
#define SPAN                                                                                                 \
    "WITH span AS MATERIALIZED (SELECT"                                                                      \
    " CASE WHEN $6::text IS NULL THEN 0 ELSE last_task_before($1::bigint, $6::timestamptz -" SLACK ") END AS low," \
    " CASE WHEN $7::text IS NULL THEN 9223372036854775807"                                                   \
    " ELSE last_task_before($1::bigint, $7::timestamptz +" SLACK ") END AS high)"
#define LOWER(text) " lower(" text " COLLATE \"und-x-icu\")" /* whatever the database's locale is */
#define FITS                                                                                                 \
    " ($2::text IS NULL OR t.status = ANY (string_to_array($2, ',')))"                                       \
    " AND ($3::text IS NULL OR t.kind = $3) AND ($4::text IS NULL OR t.new_format = $4)"                     \
    " AND ($5::text IS NULL OR strpos(" LOWER("t.original_file") "," LOWER("normalize($5, NFC)") ") > 0"     \
    "  OR strpos(" LOWER("t.original_file") "," LOWER("normalize($5, NFD)") ") > 0)"                         \
    " AND ($6::text IS NULL OR t.created_at > $6::timestamptz)"                                              \
    " AND ($7::text IS NULL OR t.created_at < $7::timestamptz)"
#define COLUMNS " t.id, t.kind, t.status, t.new_format, t.original_file, t.created_at"
/* What one walk reads: without a filter beside the states all of it fits, and a page of each is enough. */
#define WALKED_MAX                                                                                           \
    " CASE WHEN num_nonnulls($3::text, $4::text, $5::text, $6::text, $7::text) = 0 THEN $9::bigint"         \
    " ELSE " LOOKED_MAX " END"
/* key: what the index begins with before the id; at: its values. */
#define WALK(key, at, behind, from, order)                                                                   \
    "(SELECT" COLUMNS ", t.user_id FROM tasks t"                                                               \
    " WHERE (" key "t.id) " behind " (" at from ") ORDER BY " order " LIMIT" WALKED_MAX ") t"
#define RISING_FROM  "greatest($8::bigint, (SELECT low FROM span))"
#define FALLING_FROM "least($8::bigint - 1, (SELECT high FROM span)) + 1"
#define ONE_WALK(walk, whose) "SELECT" COLUMNS " FROM " walk " WHERE " whose
#define WALKS(walk, whose)                                                                                   \
    "SELECT" COLUMNS " FROM (SELECT DISTINCT unnest(string_to_array($2, ',')) AS s) states, LATERAL " walk             \
    " WHERE t.status = s AND " whose
#define PAGE(walks, edge, order)                                                                             \
    SPAN ", looked AS MATERIALIZED (SELECT" COLUMNS " FROM (" walks ") t, span"                              \
    "  WHERE t.id > span.low AND t.id <= span.high ORDER BY t.id" order " LIMIT " LOOKED_MAX "),"            \
    " fit AS MATERIALIZED (SELECT t.id FROM looked t WHERE" FITS " ORDER BY t.id" order " LIMIT $9::bigint),"  \
    " found AS MATERIALIZED (SELECT t.id," MR_TASK_SUMMARY_BYTES " AS size FROM fit"                         \
    "  JOIN tasks t ON t.id = ANY (ARRAY[fit.id])),"                                                         \
    " page AS (SELECT id, sum(size) OVER upto AS bytes, sum(size) OVER upto - size AS before FROM found"     \
    "  WINDOW upto AS (ORDER BY id" order ")),"                                                              \
    " edge AS (SELECT CASE WHEN count(*) = " LOOKED_MAX " THEN " edge "(id) END AS looked_to FROM looked)"   \
    " SELECT edge.looked_to, page.bytes," MR_TASK_SUMMARY_COLUMNS " FROM edge LEFT JOIN (page"               \
    " JOIN tasks t ON t.id = ANY (ARRAY[page.id])" MR_TASK_VIEW_JOIN ") ON page.before < $10::bigint"        \
    " ORDER BY page.id" order
#define MINE "t.user_id = $1::bigint"
#define ANYS "$1::bigint = 0"
#define RISING(walks, key, at, whose, order)                                                                 \
    PAGE(walks(WALK(key, at, ">", RISING_FROM, order), whose), "max", "")
#define FALLING(walks, key, at, whose, order)                                                                \
    PAGE(walks(WALK(key, at, "<", FALLING_FROM, order), whose), "min", " DESC")
/* [everybody's][of some states][falling] */
static const struct mr_statement pages[2][2][2] = {
    {{{"tasks_search_rising", RISING(ONE_WALK, "t.user_id, ", "$1::bigint, ", MINE, "t.user_id, t.id"), 10},
      {"tasks_search_falling", FALLING(ONE_WALK, "t.user_id, ", "$1::bigint, ", MINE, "t.user_id DESC, t.id DESC"), 10}},
     {{"tasks_search_of_status_rising",
       RISING(WALKS, "t.user_id, t.status, ", "$1::bigint, s, ", MINE, "t.user_id, t.status, t.id"), 10},
      {"tasks_search_of_status_falling",
       FALLING(WALKS, "t.user_id, t.status, ", "$1::bigint, s, ", MINE, "t.user_id DESC, t.status DESC, t.id DESC"), 10}}},
    {{{"tasks_search_all_rising", RISING(ONE_WALK, "", "", ANYS, "t.id"), 10},
      {"tasks_search_all_falling", FALLING(ONE_WALK, "", "", ANYS, "t.id DESC"), 10}},
     {{"tasks_search_all_of_status_rising", RISING(WALKS, "t.status, ", "s, ", ANYS, "t.status, t.id"), 10},
      {"tasks_search_all_of_status_falling", FALLING(WALKS, "t.status, ", "s, ", ANYS, "t.status DESC, t.id DESC"), 10}}},
};
#define COUNT(whose)                                                                                         \
    SPAN " SELECT count(*) AS number FROM tasks t WHERE " whose " AND t.id > (SELECT low FROM span)"         \
    " AND t.id <= (SELECT high FROM span) AND" FITS
static const struct mr_statement counts[2] = {
    {"tasks_count", COUNT(MINE), 7},
    {"tasks_count_all", COUNT(ANYS), 7},
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
    const bool of_states = filter->status || filter->statuses;
    return mr_db_exec(db, &pages[user_id == MR_EVERYBODY][of_states][filter->falling], params, ret, err);
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
