/* The Range header of downloads. */
#include "web/api/conditions.h"
#include "web/api/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void ranges(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t size;
        struct mr_range range;
    } table[] = {
        {NULL, 100, {MR_RANGE_WHOLE, 0, 99}},
        {"bytes=0-", 100, {MR_RANGE_PART, 0, 99}},
        {"bytes=0-0", 100, {MR_RANGE_PART, 0, 0}},
        {"bytes=10-19", 100, {MR_RANGE_PART, 10, 19}},
        {"Bytes= 10-19 ", 100, {MR_RANGE_PART, 10, 19}},
        {"bytes=99-200", 100, {MR_RANGE_PART, 99, 99}},
        {"bytes=-1", 100, {MR_RANGE_PART, 99, 99}},
        {"bytes=-500", 100, {MR_RANGE_PART, 0, 99}},
        {"bytes=100-", 100, {MR_RANGE_UNSATISFIABLE, 0, 0}},
        {"bytes=-0", 100, {MR_RANGE_UNSATISFIABLE, 0, 0}},
        {"bytes=0-", 0, {MR_RANGE_UNSATISFIABLE, 0, 0}},
        {"bytes=-5", 0, {MR_RANGE_UNSATISFIABLE, 0, 0}},
        {"bytes=20-10", 100, {MR_RANGE_WHOLE, 0, 99}},
        {"bytes=-", 100, {MR_RANGE_WHOLE, 0, 99}},
        {"bytes=", 100, {MR_RANGE_WHOLE, 0, 99}},
        {"bytes=a-b", 100, {MR_RANGE_WHOLE, 0, 99}},
        {"bytes=1-2,4-5", 100, {MR_RANGE_WHOLE, 0, 99}},
        {"items=1-2", 100, {MR_RANGE_WHOLE, 0, 99}},
        {"bytes=99999999999999999999-", 100, {MR_RANGE_UNSATISFIABLE, 0, 0}},
        {"bytes=0-99999999999999999999", 100, {MR_RANGE_PART, 0, 99}},
        {"bytes=-99999999999999999999", 100, {MR_RANGE_PART, 0, 99}},
        {"bytes=00000000000000000000000000010-0000000000000000000000019", 100, {MR_RANGE_PART, 10, 19}},
        {"bytes=1--2", 100, {MR_RANGE_WHOLE, 0, 99}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_range got = mr_range_parse(table[i].header, table[i].size);
        if (got.kind != table[i].range.kind || got.first != table[i].range.first ||
            got.last != table[i].range.last)
            fail_msg("%s of %lld: %d %lld-%lld", table[i].header, (long long)table[i].size, got.kind,
                     (long long)got.first, (long long)got.last);
    }
}

static void etags(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool strong, weak;
    } table[] = {
        {"\"1\"", true, true},    {"*", true, true},        {" \"0\" , \"1\"", true, true},
        {"W/\"1\"", false, true}, {"\"11\"", false, false}, {"", false, false},
        {"1", false, false},      {"\"1", false, false},    {"\"0\",W/\"1\"", false, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(mr_etag_is_listed(table[i].header, "\"1\"", false), table[i].strong);
        assert_int_equal(mr_etag_is_listed(table[i].header, "\"1\"", true), table[i].weak);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges), cmocka_unit_test(etags)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
