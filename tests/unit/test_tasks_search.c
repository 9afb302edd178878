/* Searches in a list of tasks that is longer than what one page may look at: each task that fits comes once, in order. */
#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/data/tasks.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { ANSWER_MAX = 1000 };

/* 6,000 tasks a user, a second apart, so that numbers and times rise together but for a few that were made at once. */
static int setup(void **state)
{
    fixture_db_setup_users(state);
    free(fixture_db_ask(
        test_db,
        "INSERT INTO tasks (file_id, user_id, kind, new_format, original_file, status, error_code, "
        "created_at)"
        " SELECT gen_random_uuid(), u.id, CASE WHEN n % 2400 = 7 THEN 'probe' ELSE 'convert' END,"
        " CASE WHEN n % 2900 = 11 THEN 'wav' ELSE 'mp3' END,"
        " CASE WHEN n % 4000 = 13 THEN 'Über.wav' WHEN n % 4000 = 14 THEN normalize('Über.wav', NFD) ELSE "
        "'a.wav' END,"
        " CASE WHEN n % 1000 = 17 THEN 'failed' WHEN n % 100 = 19 THEN 'canceled' ELSE 'processed' END,"
        " CASE WHEN n % 1000 = 17 THEN 'corrupt_input' END,"
        " timestamptz '2026-01-01 00:00:00+00' + (n - n % 20 * 2) * interval '1 s'"
        " FROM generate_series(1, 6000) n, users u ORDER BY n, u.id"));
    return 0;
}

static const char *owner_is(int64_t user, char *text, size_t size)
{
    if (user == MR_EVERYBODY)
        return "true";
    snprintf(text, size, "user_id = %" PRId64, user);
    return text;
}

/* The ids that the condition is true for, added up in order so that each place counts; and how many they are. */
static void expect(int64_t user, const char *condition, bool falling, char *answer)
{
    char sql[ANSWER_MAX], whose[64];
    snprintf(sql, sizeof sql,
             "SELECT count(*) || ' ' || coalesce(md5(string_agg(id::text, ',' ORDER BY id%s)), '') AS answer "
             "FROM tasks WHERE %s AND %s",
             falling ? " DESC" : "", owner_is(user, whose, sizeof whose), condition);
    MR_AUTO_STR char *found = fixture_db_ask(test_db, sql);
    snprintf(answer, ANSWER_MAX, "%s", found);
}

/* The same from the pages of a search. */
static void walk(int64_t user, struct mr_task_filter filter, char *answer, int *pages)
{
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(1 << 20);
    struct mr_err err = {0};
    int count = 0;
    for (*pages = 0; *pages == 0 || filter.after; ++*pages) {
        MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
        assert_int_equal(mr_tasks_list(test_db, user, &filter, &page, &err), MR_OK);
        for (int row = 0; row < mr_task_page_count(page); row++, count++) {
            MR_AUTO_JSON json_t *view = NULL;
            assert_int_equal(mr_task_page_view(page, row, &view, &err), MR_OK);
            assert_int_equal(mr_buf_appendf(&ids, &err, "%s%" PRId64, count ? "," : "",
                                            (int64_t)json_integer_value(json_object_get(view, "id"))),
                             MR_OK);
        }
        assert_true(mr_task_page_count(page) <= filter.max);
        filter.after = mr_task_page_next(page);
    }
    static const struct mr_statement sum = {"sum_of_ids", "SELECT md5($1) AS answer", 1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(
        mr_db_exec(test_db, &sum, (const char *const[]){count ? mr_buf_str(&ids) : NULL}, &rows, &err),
        MR_OK);
    snprintf(answer, ANSWER_MAX, "%d %s", count, mr_rows_text(rows, 0, "answer"));
}

static void each_task_that_fits_comes_once(void **state)
{
    (void)state;
    static const struct {
        struct mr_task_filter filter;
        const char *condition;
        int pages; /* at least, of one user's list */
    } table[] = {
        {{.kind = "probe"}, "kind = 'probe'", 3},
        {{.format = "wav", .max = 1}, "new_format = 'wav'", 5},
        {{.name = "u\u0308ber"}, "normalize(original_file) = 'Über.wav'", 3},
        {{.name = "nowhere"}, "false", 3},
        {{.statuses = "failed,canceled"}, "status IN ('failed', 'canceled')", 1},
        {{.statuses = "failed,processed", .kind = "probe"},
         "kind = 'probe' AND status IN ('failed', 'processed')",
         3},
        {{.statuses = "failed,failed"}, "status = 'failed'", 1},
        {{.status = "failed", .format = "mp3"}, "status = 'failed' AND new_format = 'mp3'", 1},
        {{.created_after = "2026-01-01T01:00:00Z"}, "created_at > '2026-01-01T01:00:00Z'", 2},
        {{.created_before = "2026-01-01T00:10:00Z"}, "created_at < '2026-01-01T00:10:00Z'", 1},
        {{.created_after = "2026-01-01T01:00:00Z", .created_before = "2026-01-01T01:00:10Z"},
         "created_at > '2026-01-01T01:00:00Z' AND created_at < '2026-01-01T01:00:10Z'",
         1},
        {{.created_after = "2027-01-01"}, "false", 1},
        {{.created_before = "2025-01-01"}, "false", 1},
        {{.statuses = "failed,canceled", .created_after = "2026-01-01T01:00:00Z"},
         "status IN ('failed', 'canceled') AND created_at > '2026-01-01T01:00:00Z'",
         1},
    };
    const int64_t users[] = {test_owner, MR_EVERYBODY};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (size_t user = 0; user < 2; user++)
            for (int falling = 0; falling < 2; falling++) {
                struct mr_task_filter filter = table[i].filter;
                char expected[ANSWER_MAX], found[ANSWER_MAX];
                int pages = 0;
                filter.max = filter.max ? filter.max : 1000;
                filter.falling = falling;
                expect(users[user], table[i].condition, falling, expected);
                walk(users[user], filter, found, &pages);
                if (strcmp(expected, found) != 0 || (user == 0 && pages < table[i].pages) || pages > 30)
                    fail_msg("%s, user %zu, falling %d: %s, not %s, on %d pages", table[i].condition, user,
                             falling, found, expected, pages);
            }
}

/* What lies outside of the times is not walked through. */
static void times_bound_the_walk(void **state)
{
    (void)state;
    static const struct mr_task_filter filters[] = {
        {.max = 10, .created_after = "2026-01-01T01:30:00Z", .name = "nowhere"},
        {.max = 10, .created_before = "2026-01-01T00:10:00Z", .name = "nowhere"},
        {.max = 10, .created_after = "2027-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        for (int falling = 0; falling < 2; falling++) {
            struct mr_task_filter filter = filters[i];
            char found[ANSWER_MAX];
            int pages = 0;
            filter.falling = falling;
            walk(test_owner, filter, found, &pages);
            assert_int_equal(pages, 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_that_fits_comes_once),
        cmocka_unit_test(times_bound_the_walk),
    };
    return cmocka_run_group_tests(tests, setup, fixture_db_teardown);
}
