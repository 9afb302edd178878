/* Tasks are read: one, or a list. */
#include "shared/data/tasks.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

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
    bool is_full;
};

/*
 * Pages of summaries. `page` walks along an index, a task at each step, and stops when it has max tasks or the
 * bytes of a page: what lies behind is not read. whose: a condition on the owner; beyond: on the id.
 */
/* clang-format off */
#define NEXT_OF(whose, beyond, order)                                                                        \
    "(SELECT t.id," MR_TASK_SUMMARY_BYTES " AS size FROM tasks t WHERE " whose                               \
    " AND ($2::text IS NULL OR t.status = $2) AND t.id " beyond " ORDER BY t.id " order " LIMIT 1)"
#define LIST_OF(whose, than, order)                                                                          \
    "WITH RECURSIVE page (id, bytes, n) AS ("                                                                \
    " (SELECT id, size, 1 FROM " NEXT_OF(whose, than " $3::bigint", order) " first)"                         \
    " UNION ALL SELECT next.id, page.bytes + next.size, page.n + 1 FROM page, LATERAL "                      \
    NEXT_OF(whose, than " page.id", order) " next WHERE page.n < $4::bigint AND page.bytes < $5::bigint)"    \
    " SELECT page.bytes," MR_TASK_SUMMARY_COLUMNS " FROM page JOIN tasks t ON t.id = page.id"                \
    MR_TASK_VIEW_JOIN " ORDER BY page.n"
/* clang-format on */
#define ONE_USERS   "t.user_id = $1::bigint"
#define EVERYBODYS  "$1::bigint = 0"
#define RISING(of)  LIST_OF(of, ">", "ASC")
#define FALLING(of) LIST_OF(of, "<", "DESC")

/* [everybody's][falling]: a statement each, so that each can follow an index. */
static const struct mr_statement lists[2][2] = {
    {{"tasks_list_rising", RISING(ONE_USERS), 5}, {"tasks_list_falling", FALLING(ONE_USERS), 5}},
    {{"tasks_all_rising", RISING(EVERYBODYS), 5}, {"tasks_all_falling", FALLING(EVERYBODYS), 5}},
};

enum mr_status mr_tasks_list(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                             struct mr_task_page **ret, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX], after[MR_INT64_TEXT_MAX], max[MR_INT64_TEXT_MAX], bytes[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(filter->falling && !filter->after ? INT64_MAX : filter->after, after);
    mr_int64_text(filter->max, max);
    mr_int64_text(MR_TASK_PAGE_BYTES, bytes);
    MR_AUTO(mr_task_page) struct mr_task_page *page = calloc(1, sizeof *page);
    if (!page)
        return mr_fail_oom(err);
    MR_TRY(mr_db_exec(db, &lists[user_id == MR_EVERYBODY][filter->falling],
                      (const char *const[]){user, filter->status, after, max, bytes}, &page->rows, err));
    int count = mr_rows_count(page->rows);
    page->is_full = count > 0 && (count >= filter->max ||
                                  mr_rows_int64(page->rows, count - 1, "bytes") >= MR_TASK_PAGE_BYTES);
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
    return mr_rows_count(page->rows);
}

bool mr_task_page_is_full(const struct mr_task_page *page)
{
    return page->is_full;
}

enum mr_status mr_task_page_view(const struct mr_task_page *page, int index, json_t **ret_view,
                                 struct mr_err *err)
{
    return mr_task_summary_of(page->rows, index, ret_view, err);
}
