/* What children have reported of units, true or not (worker/unit_reports.h). */
#include "worker/unit_reports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST "9223372036854775807"

static struct mr_unit_parts parts_of(struct mr_unit_part units[2], const char *first, const char *second)
{
    const char *const reports[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        units[i] = (struct mr_unit_part){.kind = MR_UNIT_AUDIO, .report = json_loads(reports[i], 0, NULL)};
        assert_non_null(units[i].report);
    }
    return (struct mr_unit_parts){.parts = units, .count = 2};
}

static void drop(struct mr_unit_part units[2])
{
    json_decref(units[0].report);
    json_decref(units[1].report);
}

static void measures_add_up(void **state)
{
    (void)state;
    struct mr_err err = {0};
    struct mr_unit_part units[2];
    const struct mr_unit_parts parts =
        parts_of(units,
                 "{\"cpu_seconds\": 1.5, \"measured\": {\"peak\": 0.5, \"blocks\": {\"7\": [3, 0.25], \"9\": "
                 "[1, 4]}}}",
                 "{\"cpu_seconds\": 2, \"measured\": {\"peak\": 0.75, \"blocks\": {\"7\": [2, 0.5]}}}");
    double cpu = 0;
    MR_AUTO_JSON json_t *sum = NULL,
                        *wanted = json_loads(
                            "{\"peak\": 0.75, \"blocks\": {\"7\": [5, 0.75], \"9\": [1, 4.0]}}", 0, NULL);
    assert_int_equal(mr_unit_reports_cpu(&parts, &cpu, &err), MR_OK);
    assert_true(cpu == 3.5);
    assert_int_equal(mr_unit_reports_measured(&parts, &sum, &err), MR_OK);
    assert_true(json_equal(sum, wanted));
    drop(units);
}

/* The second of two reports is what no converter says. */
static void measures_of_a_hostile_child_are_refused(void **state)
{
    (void)state;
    static const char good[] =
        "{\"cpu_seconds\": 1e308, \"measured\": {\"peak\": 0.5, \"blocks\": {\"7\": [" MOST ", 1e308]}}}";
    static const struct {
        const char *report;
        bool has_cpu;
    } table[] = {
        {"{}", true},
        {"[]", true},
        {"{\"measured\": {\"peak\": \"loud\", \"blocks\": {}}}", true},
        {"{\"measured\": {\"peak\": 1, \"blocks\": []}}", true},
        {"{\"measured\": {\"peak\": 1, \"blocks\": {\"7\": [1, 1]}}}", true},
        {"{\"measured\": {\"peak\": 1, \"blocks\": {\"7\": [" MOST ", 0]}}}", true},
        {"{\"measured\": {\"peak\": 1, \"blocks\": {\"7\": [0, 1e308]}}}", true},
        {"{\"cpu_seconds\": 1e308}", false},
        {"{\"cpu_seconds\": -1.7e308}", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err err = {0};
        struct mr_unit_part units[2];
        const struct mr_unit_parts parts = parts_of(units, good, table[i].report);
        MR_AUTO_JSON json_t *sum = NULL;
        double cpu = 0;
        if (mr_unit_reports_measured(&parts, &sum, &err) == MR_OK || err.code != MR_CODE_UNIT_IMPOSSIBLE ||
            sum)
            fail_msg("measured: %s", table[i].report);
        err = (struct mr_err){0};
        if ((mr_unit_reports_cpu(&parts, &cpu, &err) == MR_OK) != table[i].has_cpu)
            fail_msg("cpu_seconds: %s", table[i].report);
        drop(units);
    }
}

static void what_is_next(void **state)
{
    (void)state;
    static const char *const once = "{\"heard\": [{}], \"cpu_seconds\": 2}";
    static const char *const often = "{\"heard\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], \"cpu_seconds\": 2}";
    static const struct {
        const char *before, *report; /* before NULL: nothing */
        int next;                    /* -1: refused */
        double cpu;
    } table[] = {
        {NULL, "{\"heard\": [{}], \"next\": \"again\", \"cpu_seconds\": 1.5}", MR_LEVEL_AGAIN, 6.5},
        {once, "{\"heard\": [{}, {}], \"next\": \"again\", \"cpu_seconds\": 1.5}", MR_LEVEL_AGAIN, 8.5},
        {once, "{\"heard\": [{}, {}], \"next\": \"last\", \"cpu_seconds\": 1.5}", MR_LEVEL_LAST, 8.5},
        {once, "{\"heard\": [{}, {}], \"next\": \"made\", \"cpu_seconds\": 1.5}", MR_LEVEL_MADE, 3.5},
        {once, "{\"heard\": [{}, {}], \"next\": \"\", \"cpu_seconds\": 1.5}", -1, 0},
        {once, "{\"heard\": [{}, {}], \"next\": 1, \"cpu_seconds\": 1.5}", -1, 0},
        {once, "{\"heard\": [{}, {}], \"next\": \"made\"}", -1, 0},
        {once, "{\"heard\": [{}, {}], \"next\": \"made\", \"cpu_seconds\": \"1\"}", -1, 0},
        {once, "{\"heard\": [{}], \"next\": \"again\", \"cpu_seconds\": 1.5}", -1, 0},
        {once, "{\"heard\": [{}, {}, {}], \"next\": \"again\", \"cpu_seconds\": 1.5}", -1, 0},
        {once, "{\"heard\": {\"a\": 1, \"b\": 2}, \"next\": \"again\", \"cpu_seconds\": 1.5}", -1, 0},
        {NULL, "{\"next\": \"again\", \"cpu_seconds\": 1.5}", -1, 0},
        {NULL, "[]", -1, 0},
        {often, "{\"heard\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], \"next\": \"again\", \"cpu_seconds\": 1}",
         -1, 0},
        {"{\"heard\": [{}], \"cpu_seconds\": 1.7e308}",
         "{\"heard\": [{}, {}], \"next\": \"again\", \"cpu_seconds\": 1.7e308}", -1, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err err = {0};
        enum mr_level_next next = MR_LEVEL_MADE;
        MR_AUTO_JSON json_t *before = table[i].before ? json_loads(table[i].before, 0, NULL) : NULL,
                            *search = NULL;
        MR_AUTO_JSON json_t *report = json_loads(table[i].report, 0, NULL);
        assert_non_null(report);
        enum mr_status status = mr_unit_reports_next(before, report, 5, &next, &search, &err);
        if (table[i].next < 0) {
            if (status == MR_OK || err.code != MR_CODE_SANDBOX_PROTOCOL || search)
                fail_msg("%s", table[i].report);
            continue;
        }
        if (status != MR_OK || (int)next != table[i].next ||
            json_number_value(json_object_get(search, "cpu_seconds")) != table[i].cpu ||
            !json_equal(json_object_get(search, "heard"), json_object_get(report, "heard")))
            fail_msg("%s: %s", table[i].report, err.message);
    }
}

static void places(void **state)
{
    (void)state;
    static const struct {
        struct mr_unit unit;
        const char *place;
    } table[] = {
        {{.kind = MR_UNIT_VIDEO, .from_us = 2490999999, .to_us = INT64_MAX}, "at 00:41:30"},
        {{.kind = MR_UNIT_VIDEO, .from_us = 0, .to_us = 1000000}, "at 00:00:00"},
        {{.kind = MR_UNIT_AUDIO, .from_us = 0, .to_us = 36061000000}, "up to 10:01:01"},
        {{.kind = MR_UNIT_AUDIO, .from_us = 2490999999, .to_us = INT64_MAX}, ""},
        {{.kind = MR_UNIT_LEVEL, .from_us = 0, .to_us = INT64_MAX}, ""},
        {{.kind = MR_UNIT_JOIN, .from_us = 0, .to_us = INT64_MAX}, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char place[MR_UNIT_PLACE_SIZE];
        mr_unit_place(&table[i].unit, place);
        assert_string_equal(place, table[i].place);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_add_up),
        cmocka_unit_test(measures_of_a_hostile_child_are_refused),
        cmocka_unit_test(what_is_next),
        cmocka_unit_test(places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
