#include "shared/base/err.h"
#include "shared/base/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_fail_fills(void **state)
{
    (void)state;
    struct mr_err err = {0};
    assert_int_equal(mr_fail(&err, MR_NOT_FOUND, "no task %d", 7), MR_NOT_FOUND);
    assert_int_equal(err.status, MR_NOT_FOUND);
    assert_string_equal(mr_code_name(err.code), "not_found");
    assert_string_equal(err.message, "no task 7");
    assert_int_equal(mr_fail_code(&err, MR_CODE_INVALID_MEDIA, "bad %s", "header"), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "invalid_media");
    assert_string_equal(err.message, "bad header");
    assert_int_equal(mr_fail_errno(&err, MR_UNAVAILABLE, ENOENT, "open %s", "x"), MR_UNAVAILABLE);
    assert_string_equal(err.message, "open x: No such file or directory");
    assert_int_equal(mr_fail_oom(&err), MR_EXHAUSTED);
}

/* Whatever a message quotes, it can be stored and printed. */
static void test_messages_are_storable(void **state)
{
    (void)state;
    struct mr_err err;
    mr_fail(&err, MR_INVALID, "type is %s", "audio/\xff\xc3(\n\x7f");
    assert_string_equal(err.message, "type is audio/?"
                                     "?(  ");
    mr_fail_errno(&err, MR_INVALID, ENOENT, "open \xe2\x82");
    assert_string_equal(err.message, "open : No such file or directory");
    char longer[MR_ERR_MESSAGE_MAX + 10];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2)
        memcpy(longer + i, "\xc3\xa4", 3);
    mr_fail(&err, MR_INVALID, "%s", longer);
    assert_int_equal(strlen(err.message), MR_ERR_MESSAGE_MAX - 2); /* no half character at the end */
    assert_true(mr_utf8_is_valid(err.message, strlen(err.message)));
    (void)!mr_wrap(&err, MR_INVALID, "x");
    assert_true(mr_utf8_is_valid(err.message, strlen(err.message)));
}

static void test_fail_as_and_from(void **state)
{
    (void)state;
    struct mr_err err, kept;
    assert_int_equal(mr_fail_as(&kept, MR_TIMEOUT, MR_CODE_FETCH_FAILED, "late by %d s", 2), MR_TIMEOUT);
    assert_int_equal(mr_fail_from(NULL, &kept), MR_TIMEOUT);
    assert_int_equal(mr_fail_from(&err, &kept), MR_TIMEOUT);
    assert_int_equal(err.status, MR_TIMEOUT);
    assert_int_equal(err.code, MR_CODE_FETCH_FAILED);
    assert_string_equal(err.message, "late by 2 s");
}

static void test_a_failure_says_when_to_retry(void **state)
{
    (void)state;
    struct mr_err err;
    assert_int_equal(mr_retry_after(&err, mr_fail(&err, MR_EXHAUSTED, "full"), 90), MR_EXHAUSTED);
    assert_int_equal(err.retry_after_s, 90);
    assert_int_equal(mr_wrap(&err, err.status, "task"), MR_EXHAUSTED);
    assert_int_equal(err.retry_after_s, 90);
    assert_int_equal(mr_retry_after(&err, mr_fail(&err, MR_EXHAUSTED, "full"), INT64_MAX), MR_EXHAUSTED);
    assert_int_equal(err.retry_after_s, INT32_MAX);
    assert_int_equal(mr_fail(&err, MR_EXHAUSTED, "another failure"), MR_EXHAUSTED);
    assert_int_equal(err.retry_after_s, 0);
    assert_int_equal(mr_retry_after(NULL, MR_EXHAUSTED, 1), MR_EXHAUSTED);
}

static void test_codes_are_words_that_find_their_row(void **state)
{
    (void)state;
    for (enum mr_code code = MR_CODE_NONE + 1; code < MR_CODE_COUNT; code++) {
        const struct mr_code_row *row = mr_code_row(code);
        assert_int_equal(mr_code_find(row->name), code);
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->name));
        assert_int_not_equal(row->status, MR_OK);
        assert_int_not_equal(row->places, 0);
        assert_true(row->meaning[0] && row->remedy[0]);
        /* What a child says about its file is a verdict, but when it asks to be run again, or as one job; owners see verdicts. */
        bool is_plea = code == MR_CODE_COPY_IMPOSSIBLE || code == MR_CODE_UNIT_IMPOSSIBLE;
        if (row->places & MR_CODE_IN_CHILD && !is_plea)
            assert_true(row->places & MR_CODE_IS_VERDICT);
        if (row->places & MR_CODE_IS_VERDICT)
            assert_true(row->places & MR_CODE_IN_TASK);
    }
    for (enum mr_status status = MR_OK + 1; status < MR_STATUS_COUNT;
         status++) /* "too_large": of a URL's file */
        if (status != MR_TOO_LARGE)
            assert_false(mr_code_row(mr_code_of_status(status))->places & MR_CODE_IN_TASK);
    for (enum mr_status status = MR_OK + 1; status < MR_STATUS_COUNT; status++) {
        enum mr_code code = mr_code_of_status(status);
        assert_int_equal(mr_code_row(code)->status, status);
        assert_string_equal(mr_code_name(code), mr_status_name(status));
    }
    assert_int_equal(mr_code_find("no_such_code"), MR_CODE_NONE);
    assert_int_equal(mr_code_find(""), MR_CODE_NONE);
    assert_string_equal(mr_code_name(MR_CODE_NONE), "internal");
    assert_string_equal(mr_code_name((enum mr_code)MR_CODE_COUNT), "internal");
}

static void test_err_may_be_null(void **state)
{
    (void)state;
    assert_int_equal(mr_fail(NULL, MR_INVALID, "x"), MR_INVALID);
    assert_int_equal(mr_fail_code(NULL, MR_CODE_TRUNCATED, "x"), MR_INVALID);
    assert_int_equal(mr_fail_errno(NULL, MR_INVALID, EIO, "x"), MR_INVALID);
    assert_int_equal(mr_fail_oom(NULL), MR_EXHAUSTED);
    assert_int_equal(mr_wrap(NULL, MR_TIMEOUT, "x"), MR_TIMEOUT);
}

static void test_wrap_adds_context(void **state)
{
    (void)state;
    struct mr_err err;
    mr_fail_code(&err, MR_CODE_EMAIL_TAKEN, "name is taken");
    assert_int_equal(mr_wrap(&err, err.status, "create user %d", 3), MR_CONFLICT);
    assert_string_equal(err.message, "create user 3: name is taken");
    assert_int_equal(err.code, MR_CODE_EMAIL_TAKEN);
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    struct mr_err err;
    char text[2 * MR_ERR_MESSAGE_MAX];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mr_fail(&err, MR_INVALID, "%s", text);
    assert_int_equal(strlen(err.message), MR_ERR_MESSAGE_MAX - 1);
    assert_int_equal(mr_fail_errno(&err, MR_INVALID, EIO, "%s", text), MR_INVALID);
    assert_int_equal(strlen(err.message), MR_ERR_MESSAGE_MAX - 1);
    assert_int_equal(mr_wrap(&err, err.status, "%s", text), MR_INVALID);
    assert_int_equal(strlen(err.message), MR_ERR_MESSAGE_MAX - 1);
}

static void test_names_and_transience(void **state)
{
    (void)state;
    static const struct {
        enum mr_status status;
        const char *name;
        bool transient;
    } statuses[] = {
        {MR_OK, "ok", false},
        {MR_INVALID, "invalid", false},
        {MR_UNAUTHENTICATED, "unauthenticated", false},
        {MR_DENIED, "denied", false},
        {MR_NOT_FOUND, "not_found", false},
        {MR_CONFLICT, "conflict", false},
        {MR_TOO_LARGE, "too_large", false},
        {MR_UNSUPPORTED, "unsupported", false},
        {MR_CANCELED, "canceled", false},
        {MR_INTERNAL, "internal", false},
        {MR_UNAVAILABLE, "unavailable", true},
        {MR_TIMEOUT, "timeout", true},
        {MR_EXHAUSTED, "exhausted", true},
        {MR_STATUS_COUNT, "unknown", false},
        {(enum mr_status) - 1, "unknown", false},
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        assert_string_equal(mr_status_name(statuses[i].status), statuses[i].name);
        assert_int_equal(mr_status_is_transient(statuses[i].status), statuses[i].transient);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_fills),
        cmocka_unit_test(test_messages_are_storable),
        cmocka_unit_test(test_fail_as_and_from),
        cmocka_unit_test(test_a_failure_says_when_to_retry),
        cmocka_unit_test(test_codes_are_words_that_find_their_row),
        cmocka_unit_test(test_err_may_be_null),
        cmocka_unit_test(test_wrap_adds_context),
        cmocka_unit_test(test_long_messages_are_cut),
        cmocka_unit_test(test_names_and_transience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
