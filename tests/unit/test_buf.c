#include "shared/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_append_keeps_text_terminated(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf buf = MR_BUF_INIT(100);
    assert_string_equal(mr_buf_str(&buf), "");
    assert_int_equal(mr_buf_append(&buf, NULL, 0, NULL), MR_OK);
    assert_int_equal(mr_buf_append(&buf, "a\0b", 3, NULL), MR_OK);
    assert_memory_equal(buf.data, "a\0b", 4);
    assert_int_equal(mr_buf_append_str(&buf, "cd", NULL), MR_OK);
    assert_int_equal(mr_buf_appendf(&buf, NULL, "%d-%s", 5, "x"), MR_OK);
    assert_memory_equal(buf.data, "a\0bcd5-x", 9);
    assert_int_equal(buf.len, 8);
}

static void test_cap_is_exact_and_content_stays(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf buf = MR_BUF_INIT(5);
    struct mr_err err = {0};
    assert_int_equal(mr_buf_append_str(&buf, "12345", NULL), MR_OK);
    assert_int_equal(mr_buf_append(&buf, "6", 1, &err), MR_TOO_LARGE);
    assert_int_equal(err.status, MR_TOO_LARGE);
    assert_int_equal(mr_buf_appendf(&buf, NULL, "%d", 6), MR_TOO_LARGE);
    assert_int_equal(mr_buf_reserve(&buf, SIZE_MAX, NULL), MR_TOO_LARGE);
    assert_string_equal(mr_buf_str(&buf), "12345");
    MR_AUTO(mr_buf) struct mr_buf none = MR_BUF_INIT(0);
    assert_int_equal(mr_buf_append(&none, "", 0, NULL), MR_OK);
    assert_int_equal(mr_buf_append(&none, "x", 1, NULL), MR_TOO_LARGE);
}

static void test_grows_over_many_appends(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf buf = MR_BUF_INIT(100000);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(mr_buf_append(&buf, &"0123456789"[i % 10], 1, NULL), MR_OK);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], '0' + (int)(i % 10));
    assert_true(buf.capacity <= 100001);
}

static void test_consume(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf buf = MR_BUF_INIT(100);
    mr_buf_consume(&buf, 1);
    assert_int_equal(mr_buf_append_str(&buf, "abcdef", NULL), MR_OK);
    mr_buf_consume(&buf, 0);
    mr_buf_consume(&buf, 2);
    assert_string_equal(mr_buf_str(&buf), "cdef");
    mr_buf_consume(&buf, 10);
    assert_int_equal(buf.len, 0);
    assert_string_equal(mr_buf_str(&buf), "");
}

static void test_take_and_reuse(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf buf = MR_BUF_INIT(10);
    assert_null(mr_buf_take(&buf));
    assert_int_equal(mr_buf_append_str(&buf, "abc", NULL), MR_OK);
    MR_AUTO_STR char *text = mr_buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_int_equal(mr_buf_append_str(&buf, "0123456789", NULL), MR_OK);
    mr_buf_clear(&buf);
    assert_string_equal(mr_buf_str(&buf), "");
    mr_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.max, 10);
    mr_buf_free(&buf);
    mr_buf_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_keeps_text_terminated),
        cmocka_unit_test(test_cap_is_exact_and_content_stays),
        cmocka_unit_test(test_grows_over_many_appends),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_take_and_reuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
