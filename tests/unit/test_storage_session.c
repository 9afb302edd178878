/* Sessions that others upload by: what Cloud Storage is asked for, and how one is cancelled. */
#include "shared/gcp/storage.h"
#include "tests/unit/fixture_storage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    fixture_storage_start("bucket", 0);
    assert_string_equal(mr_storage_base_url(test_storage), fake_http_url(test_fake));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_storage_stop();
    return 0;
}

#define BEGIN "POST /upload/storage/v1/b/bucket/o?uploadType=resumable&ifGenerationMatch=0 HTTP/1.1"
#define ANSWERED                                                                                             \
    {                                                                                                        \
        .status = 200, .headers = "Location: http://s/?upload_id=secret\r\n"                                 \
    }
#define TOO_LONG                                                                                             \
    "a/123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"  \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"   \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"   \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

static void begins(void **state)
{
    (void)state;
    static const struct {
        struct mr_upload_session order;
        struct fake_step steps[2];
        size_t requests;
        enum mr_status expected;
        const char *there[2], *absent;
    } cases[] = {
        {{"inputs/x", "audio/mpeg", 77, "https://app.example:8443", false},
         {ANSWERED},
         1,
         MR_OK,
         {"X-Upload-Content-Length: 77", "Origin: https://app.example:8443"},
         NULL},
        {{"n", "a/b", -1, NULL, false},
         {ANSWERED},
         1,
         MR_OK,
         {"X-Upload-Content-Type: a/b"},
         "X-Upload-Content-Length"},
        {{"n", "a/b", 0, NULL, false},
         {{.status = 503}, ANSWERED},
         2,
         MR_OK,
         {"X-Upload-Content-Length: 0"},
         "Origin"},
        {{"n", "a/b", 1, NULL, false}, {{.status = 403}}, 1, MR_UNAVAILABLE, {NULL}, NULL},
        {{"n", "a/b", 1, NULL, false}, {{.status = 200}}, 1, MR_UNAVAILABLE, {NULL}, NULL},
        {{"", "a/b", 1, NULL, false}, {ANSWERED}, 0, MR_INVALID, {NULL}, NULL},
        {{"n", "a/b\r\nX: y", 1, NULL, false}, {ANSWERED}, 0, MR_INVALID, {NULL}, NULL},
        {{"n", "a/b", 1, "http://a\r\nX: y", false}, {ANSWERED}, 0, MR_INVALID, {NULL}, NULL},
        {{"n", TOO_LONG, 1, NULL, false}, {ANSWERED}, 0, MR_INVALID, {NULL}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_STR char *uri = NULL;
        struct mr_err err = {0};
        fake_http_script(test_fake, cases[i].steps, 2, false);
        assert_int_equal(mr_storage_begin_session(test_storage, &cases[i].order, &uri, &err),
                         cases[i].expected);
        assert_int_equal(fake_http_count(test_fake), cases[i].requests);
        if (cases[i].expected != MR_OK) {
            assert_null(uri);
            continue;
        }
        size_t last = cases[i].requests - 1;
        assert_string_equal(uri, "http://s/?upload_id=secret");
        assert_true(fake_http_has_line(test_fake, last, BEGIN));
        for (size_t line = 0; line < 2 && cases[i].there[line]; line++)
            assert_true(fake_http_has_line(test_fake, last, cases[i].there[line]));
        if (cases[i].absent)
            assert_null(strstr(fake_http_head(test_fake, last), cases[i].absent));
    }
}

static void cancels(void **state)
{
    (void)state;
    static const struct {
        struct fake_step step;
        enum mr_status expected;
    } cases[] = {
        {{.status = 499}, MR_OK},        {{.status = 204}, MR_OK},
        {{.status = 404}, MR_OK},        {{.status = 410}, MR_OK},
        {{.status = 400}, MR_INVALID},   {{.status = 503}, MR_UNAVAILABLE},
        {{.status = 429}, MR_EXHAUSTED}, {{.end = FAKE_RESET}, MR_UNAVAILABLE},
    };
    char uri[100];
    snprintf(uri, sizeof uri, "%s/session?upload_id=secret", fake_http_url(test_fake));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        fake_http_script(test_fake, &cases[i].step, 1, false);
        assert_int_equal(mr_storage_cancel_session(test_storage, uri, &err), cases[i].expected);
        assert_int_equal(fake_http_count(test_fake), 1); /* never repeated here */
        assert_true(fake_http_has_line(test_fake, 0, "DELETE /session?upload_id=secret HTTP/1.1"));
        assert_null(strstr(err.message, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(begins, setup, teardown),
        cmocka_unit_test_setup_teardown(cancels, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
