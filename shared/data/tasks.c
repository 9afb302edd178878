/* Tasks are read: one, or a list. */
#include "shared/data/tasks.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"
#include "shared/data/tasks_search.h"

enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_view,
                            struct mr_err *err)
{
    static const struct mr_statement get = {
        "tasks_get", "SELECT" MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE" MR_TASK_BY_KEY,
        3};
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    MR_TRY(mr_db_exec(db, &get, (const char *const[]){by.user, by.id, by.file_id}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_task_not_found(err);
    return mr_task_view_of(rows, 0, ret_view, err);
}

struct mr_task_page {
    struct mr_rows *rows;
    int count;
    int64_t next;
};

/*
 * Pages of summaries. `page` walks along an index, a task at each step, and stops when it has max tasks or the
 * bytes of a page: what lies behind is not read. from: where a step begins, behind $3 or the task before. The
 * rows are compared as (user, id), or (user, status, id): the index on these columns then serves each step, whatever
 * PostgreSQL thinks of the user's share of all tasks, or of the status. The next row in its order is taken whatever it
 * is, and ends the list if it is another's: a second bound on a row would not end the walk.
 */
/* clang-format off */
#define STEP(from, order)                                                                                    \
    "(SELECT b.id, b.size FROM (SELECT t.id, t.user_id, t.status," MR_TASK_SUMMARY_BYTES " AS size FROM tasks t" \
    " WHERE " from " ORDER BY " order " LIMIT 1) b WHERE ($1::bigint = 0 OR b.user_id = $1::bigint)"         \
    " AND ($2::text IS NULL OR b.status = $2))"
#define LIST(first, next, order)                                                                             \
    "WITH RECURSIVE page (id, bytes, n) AS ((SELECT id, size, 1 FROM " STEP(first, order) " first)"          \
    " UNION ALL SELECT next.id, page.bytes + next.size, page.n + 1 FROM page, LATERAL " STEP(next, order)    \
    " next WHERE page.n < $4::bigint AND page.bytes < $5::bigint)"                                           \
    " SELECT page.bytes," MR_TASK_SUMMARY_COLUMNS " FROM page JOIN tasks t"                                  \
    " ON t.id = ANY (ARRAY[page.id])" /* only looked up, never joined with all */                            \
    MR_TASK_VIEW_JOIN " ORDER BY page.n"
#define MINE_ABOVE(id)    "$2::text IS NULL AND (t.user_id, t.id) > ($1::bigint, " id ")"
#define MINE_BELOW(id)    "$2::text IS NULL AND (t.user_id, t.id) < ($1::bigint, " id ")"
#define ANYS_ABOVE(id)    "$1::bigint = 0 AND $2::text IS NULL AND t.id > " id
#define ANYS_BELOW(id)    "$1::bigint = 0 AND $2::text IS NULL AND t.id < " id
#define MINE_IN_ABOVE(id) "(t.user_id, t.status, t.id) > ($1::bigint, $2::text, " id ")"
#define MINE_IN_BELOW(id) "(t.user_id, t.status, t.id) < ($1::bigint, $2::text, " id ")"
#define ANYS_IN_ABOVE(id) "$1::bigint = 0 AND (t.status, t.id) > ($2::text, " id ")"
#define ANYS_IN_BELOW(id) "$1::bigint = 0 AND (t.status, t.id) < ($2::text, " id ")"
#define PAGE_FROM(from, order) LIST(from("$3::bigint"), from("page.id"), order)

/* [everybody's][of one status][falling]: a statement each, so that each can follow an index. */
static const struct mr_statement lists[2][2][2] = {
    {{{"tasks_list_rising", PAGE_FROM(MINE_ABOVE, "t.user_id, t.id"), 5},
      {"tasks_list_falling", PAGE_FROM(MINE_BELOW, "t.user_id DESC, t.id DESC"), 5}},
     {{"tasks_list_of_status_rising", PAGE_FROM(MINE_IN_ABOVE, "t.user_id, t.status, t.id"), 5},
      {"tasks_list_of_status_falling", PAGE_FROM(MINE_IN_BELOW, "t.user_id DESC, t.status DESC, t.id DESC"), 5}}},
    {{{"tasks_all_rising", PAGE_FROM(ANYS_ABOVE, "t.id"), 5},
      {"tasks_all_falling", PAGE_FROM(ANYS_BELOW, "t.id DESC"), 5}},
     {{"tasks_all_of_status_rising", PAGE_FROM(ANYS_IN_ABOVE, "t.status, t.id"), 5},
      {"tasks_all_of_status_falling", PAGE_FROM(ANYS_IN_BELOW, "t.status DESC, t.id DESC"), 5}}},
};
/* clang-format on */

/* The rows of a page that is not a search. */
static enum mr_status read_page(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                                int64_t behind, struct mr_rows **ret, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX], after[MR_INT64_TEXT_MAX], max[MR_INT64_TEXT_MAX], bytes[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(behind, after);
    mr_int64_text(filter->max, max);
    mr_int64_text(MR_TASK_PAGE_BYTES, bytes);
    return mr_db_exec(db, &lists[user_id == MR_EVERYBODY][filter->status != NULL][filter->falling],
                      (const char *const[]){user, filter->status, after, max, bytes}, ret, err);
}

/* A search that finds nothing is one row without a task; the list itself has no column looked_to. */
static void measure(struct mr_task_page *page, int64_t max)
{
    const int rows = mr_rows_count(page->rows), last = rows - 1;
    page->count = rows == 1 && mr_rows_is_null(page->rows, 0, "id") ? 0 : rows;
    if (page->count > 0 &&
        (page->count >= max || mr_rows_int64(page->rows, last, "bytes") >= MR_TASK_PAGE_BYTES))
        page->next = mr_rows_int64(page->rows, last, "id");
    else if (rows > 0)
        page->next = mr_rows_int64(page->rows, 0, "looked_to");
}

enum mr_status mr_tasks_list(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                             struct mr_task_page **ret, struct mr_err *err)
{
    int64_t after = filter->falling && !filter->after ? INT64_MAX : filter->after;
    MR_AUTO(mr_task_page) struct mr_task_page *page = calloc(1, sizeof *page);
    if (!page)
        return mr_fail_oom(err);
    MR_TRY((mr_task_filter_searches(filter) ? mr_tasks_search : read_page)(db, user_id, filter, after,
                                                                           &page->rows, err));
    measure(page, filter->max);
    *ret = MR_TAKE(page);
    return MR_OK;
}

void mr_task_page_free(struct mr_task_page *page)
{
    if (!page)
        return;
    mr_rows_free(page->rows);
    free(page);
}

int mr_task_page_count(const struct mr_task_page *page)
{
    return page->count;
}

int64_t mr_task_page_next(const struct mr_task_page *page)
{
    return page->next;
}

enum mr_status mr_task_page_view(const struct mr_task_page *page, int index, json_t **ret_view,
                                 struct mr_err *err)
{
    return mr_task_summary_of(page->rows, index, ret_view, err);
}
