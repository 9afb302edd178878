/* Cron schedules: valid and invalid ones, and the next time. */
#include "infra/local/emulator/scheduler/cron.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static int64_t parse_time(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
    assert_true(rest && *rest == '\0');
    return timegm(&tm);
}

static void test_next(void **state)
{
    (void)state;
    static const struct {
        const char *schedule;
        const char *after;
        const char *next; /* NULL: never */
    } cases[] = {
        {"* * * * *", "2026-01-01 00:00:00", "2026-01-01 00:01:00"},
        {"* * * * *", "2026-01-01 00:00:59", "2026-01-01 00:01:00"},
        {"* * * * *", "2026-12-31 23:59:30", "2027-01-01 00:00:00"},
        {"*/5 * * * *", "2026-01-01 00:04:59", "2026-01-01 00:05:00"},
        {"*/5 * * * *", "2026-01-01 00:05:00", "2026-01-01 00:10:00"},
        {"*/7 * * * *", "2026-01-01 00:56:00", "2026-01-01 01:00:00"},
        {"5/20 * * * *", "2026-01-01 00:26:00", "2026-01-01 00:45:00"},
        {"10-20/5 * * * *", "2026-01-01 00:16:00", "2026-01-01 00:20:00"},
        {"10-20/5 * * * *", "2026-01-01 00:20:00", "2026-01-01 01:10:00"},
        {"0,30 9-17 * * *", "2026-01-01 17:30:00", "2026-01-02 09:00:00"},
        {"30 4 * * *", "2026-01-01 04:30:00", "2026-01-02 04:30:00"},
        {"0 0 1 * *", "2026-01-31 12:00:00", "2026-02-01 00:00:00"},
        {"0 0 31 * *", "2026-01-31 00:00:00", "2026-03-31 00:00:00"},
        {"0 0 31 * *", "2026-03-31 00:00:00", "2026-05-31 00:00:00"},
        {"59 23 28 2 *", "2026-02-28 23:59:00", "2027-02-28 23:59:00"},
        {"0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00"},
        {"0 0 29 2 *", "2028-02-29 00:00:00", "2032-02-29 00:00:00"},
        {"0 0 29 2 *", "2096-02-29 00:00:00", "2104-02-29 00:00:00"},
        {"0 0 29 FEB *", "1999-12-31 23:59:59", "2000-02-29 00:00:00"},
        {"0 0 30 2 *", "2026-01-01 00:00:00", NULL},
        {"0 0 31 4,6,9,11 *", "2026-01-01 00:00:00", NULL},
        {"0 0 * * mon", "2026-01-01 00:00:00", "2026-01-05 00:00:00"},
        {"0 0 * * 0", "2026-01-01 00:00:00", "2026-01-04 00:00:00"},
        {"0 0 * * 7", "2026-01-01 00:00:00", "2026-01-04 00:00:00"},
        {"0 0 * * fri-7", "2026-01-04 00:00:00", "2026-01-09 00:00:00"},
        {"0 0 * jul-Sep *", "2026-01-01 00:00:00", "2026-07-01 00:00:00"},
        {"0 0 13 * 5", "2026-01-01 00:00:00", "2026-01-02 00:00:00"},    /* either day */
        {"0 0 13 * 5", "2026-01-09 00:00:00", "2026-01-13 00:00:00"},    /* either day */
        {"0 0 */2 * mon", "2026-01-06 00:00:00", "2026-01-19 00:00:00"}, /* "*": both */
        {"  0\t12  1   1 * ", "2026-01-01 12:00:00", "2027-01-01 12:00:00"},
        {"* * * * *", "1969-12-31 23:58:30", "1969-12-31 23:59:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct em_cron cron;
        struct mr_err err;
        int64_t next = 0;
        if (em_cron_parse(cases[i].schedule, &cron, &err) != MR_OK)
            fail_msg("%s: %s", cases[i].schedule, err.message);
        bool any = em_cron_next(&cron, parse_time(cases[i].after), &next);
        if (any != (cases[i].next != NULL) || (any && next != parse_time(cases[i].next)))
            fail_msg("%s after %s: %" PRId64, cases[i].schedule, cases[i].after, next);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const schedules[] = {
        "",
        "*",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * *",
        "5-1 * * * *",
        "-1 * * * *",
        "1- * * * *",
        "1, * * * *",
        ",1 * * * *",
        "a * * * *",
        "* * * janu *",
        "* * * * monday",
        "every 5 minutes",
        "@daily",
        "1.5 * * * *",
        "*5 * * * *",
        "100 * * * *",
        "1-2-3 * * * *",
        "mon * * * *",
        "*/-1 * * * *",
        "*/ * * * *",
    };
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
        struct em_cron cron = {.minutes = 42};
        struct mr_err err;
        if (em_cron_parse(schedules[i], &cron, &err) != MR_INVALID)
            fail_msg("'%s' was taken", schedules[i]);
        assert_int_equal(cron.minutes, 42);
        assert_true(err.message[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
