/* Objects in a scripted Cloud Storage: state, reading, composing, deleting, and each way in which it can break. */
#include "shared/gcp/storage.h"
#include "tests/unit/fixture_storage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int setup(void **state)
{
    (void)state;
    fixture_storage_start("bucket", 256 * 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_storage_stop();
    return 0;
}

static void stats(void **state)
{
    static const struct {
        const char *name;
        struct fake_step steps[2];
        size_t count;
        enum mr_status expected;
    } cases[] = {
        {"found",
         {{.status = 200,
           .body = "{\"size\":\"5000000000\",\"generation\":\"1700000000000001\",\"contentType\":\"a/b\","
                   "\"crc32c\":\"AAAAAQ==\"}"}},
         1,
         MR_OK},
        {"not found", {{.status = 404, .body = "Not Found"}}, 1, MR_NOT_FOUND},
        {"503, then not found", {{.status = 503}, {.status = 404}}, 2, MR_NOT_FOUND},
        {"forbidden", {{.status = 403}}, 1, MR_DENIED},
        {"not implemented", {{.status = 501}}, 1, MR_UNAVAILABLE},
        {"no object", {{.status = 200, .body = "{\"size\":5,\"generation\":\"1\"}"}}, 1, MR_UNAVAILABLE},
        {"no JSON", {{.status = 200, .body = "<html>"}}, 1, MR_UNAVAILABLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        struct mr_object object = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_storage_stat(test_storage, "in/\xc3\xa4 b?#%.mp3", &object, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(fake_http_count(test_fake), cases[i].count);
        assert_true(fake_http_has_line(test_fake, 0,
                                       "GET /storage/v1/b/bucket/o/in%2F%C3%A4%20b%3F%23%25.mp3 HTTP/1.1"));
        if (status != MR_OK)
            continue;
        assert_true(object.size == 5000000000 && object.generation == 1700000000000001);
        assert_true(object.has_crc32c && object.crc32c == 1);
        assert_string_equal(object.content_type, "a/b");
    }
}

static void refuses_bad_names(void **state)
{
    (void)state;
    char long_name[MR_OBJECT_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"", ".", "..", "a\nb", "a\rb", "\xff", long_name};
    FAKE_SCRIPT(test_fake, ((struct fake_step[]){{.status = 200}}));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct mr_object object;
        struct mr_upload *upload = NULL;
        struct mr_err err;
        assert_int_equal(mr_storage_stat(test_storage, names[i], &object, &err), MR_INVALID);
        assert_int_equal(mr_storage_delete(test_storage, names[i], &err), MR_INVALID);
        assert_int_equal(mr_upload_begin(test_storage, names[i], "a/b", &upload, &err), MR_INVALID);
        assert_int_equal(mr_storage_put(test_storage, names[i], "a/b", "x", 1, &object, &err), MR_INVALID);
    }
    assert_int_equal(fake_http_count(test_fake), 0);
}

static void deletes(void **state)
{
    static const struct {
        struct fake_step steps[2];
        size_t count;
        enum mr_status expected;
    } cases[] = {
        {{{.status = 204}}, 1, MR_OK},
        {{{.status = 404}}, 1, MR_OK},
        {{{.end = FAKE_RESET}, {.status = 404}}, 2, MR_OK}, /* the first one did it */
        {{{.status = 403}}, 1, MR_DENIED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        struct mr_err err = {0};
        assert_int_equal(mr_storage_delete(test_storage, "n", &err), cases[i].expected);
        assert_int_equal(err.status, cases[i].expected);
        assert_int_equal(fake_http_count(test_fake), cases[i].count);
    }
}

static void composes(void **state)
{
    (void)state;
    char data[200];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    const char *const sources[] = {"a", "b"};
    char sum[300], source[300];
    fixture_object_json(sum, sizeof sum, data, 200);
    fixture_object_json(source, sizeof source, data, 100);
    struct fake_step plain[] = {{.status = 200, .body = sum}};
    struct fake_step own_success[] = {{.end = FAKE_RESET},
                                      {.status = 412},
                                      {.status = 200, .body = source},
                                      {.status = 200, .body = source},
                                      {.status = 200, .body = sum}};
    struct fake_step exists[] = {{.status = 412}};
    struct mr_object object = {0};
    struct mr_err err = {0};
    FAKE_SCRIPT(test_fake, plain);
    assert_int_equal(mr_storage_compose(test_storage, sources, 2, "c", "a/b", &object, &err), MR_OK);
    assert_int_equal(object.size, 200);
    assert_true(fake_http_has_line(test_fake, 0,
                                   "POST /storage/v1/b/bucket/o/c/compose?ifGenerationMatch=0 HTTP/1.1"));
    FAKE_SCRIPT(test_fake, own_success);
    assert_int_equal(mr_storage_compose(test_storage, sources, 2, "c", "a/b", &object, &err), MR_OK);
    FAKE_SCRIPT(test_fake, exists);
    assert_int_equal(mr_storage_compose(test_storage, sources, 2, "c", "a/b", &object, &err), MR_CONFLICT);
    assert_int_equal(mr_storage_compose(test_storage, sources, 33, "c", "a/b", &object, &err), MR_INVALID);
}

struct collected {
    struct mr_buf buf;
    enum mr_status refuse;
};
static enum mr_status collect(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct collected *c = ctx;
    if (c->refuse != MR_OK)
        return mr_fail(err, c->refuse, "enough");
    return mr_buf_append(&c->buf, data, len, err);
}

#define RANGE(text) "Content-Range: bytes " text "\r\nx-goog-generation: 9\r\n"

static void reads_ranges(void **state)
{
    static const struct {
        const char *name;
        int64_t generation, offset, length;
        struct fake_step steps[4];
        size_t count;
        const char *last_range; /* NULL: none was asked for */
        bool pinned;
        enum mr_status refuse, expected;
        const char *data;
    } cases[] = {
        {"whole", 0, 0, -1, {{.status = 200, .body = "abcdef"}}, 1, NULL, false, 0, MR_OK, "abcdef"},
        {"part",
         9,
         2,
         3,
         {{.status = 206, .headers = RANGE("2-4/6"), .body = "cde"}},
         1,
         "Range: bytes=2-4",
         true,
         0,
         MR_OK,
         "cde"},
        {"rest",
         9,
         4,
         -1,
         {{.status = 206, .headers = RANGE("4-5/6"), .body = "ef"}},
         1,
         "Range: bytes=4-",
         true,
         0,
         MR_OK,
         "ef"},
        {"nothing", 0, 3, 0, {{.status = 500}}, 0, NULL, false, 0, MR_OK, ""},
        {"whole object instead of a part",
         0,
         2,
         3,
         {{.status = 200, .body = "abcdef"}},
         1,
         "Range: bytes=2-4",
         false,
         0,
         MR_OK,
         "cde"},
        {"another part",
         0,
         2,
         3,
         {{.status = 206, .headers = RANGE("1-3/6"), .body = "bcd"},
          {.status = 206, .headers = RANGE("2-4/6"), .body = "cde"}},
         2,
         "Range: bytes=2-4",
         true,
         0,
         MR_OK,
         "cde"},
        {"broken, resumed, pinned",
         0,
         0,
         -1,
         {{.status = 200,
           .headers = "x-goog-generation: 9\r\n",
           .body = "abc",
           .announced = 6,
           .end = FAKE_CLOSE},
          {.status = 503, .body = "x"},
          {.status = 206, .headers = RANGE("3-5/6"), .body = "def"}},
         3,
         "Range: bytes=3-",
         true,
         0,
         MR_OK,
         "abcdef"},
        {"broken part, resumed",
         0,
         1,
         4,
         {{.status = 206, .headers = RANGE("1-4/6"), .body = "bc", .announced = 4, .end = FAKE_CLOSE},
          {.status = 206, .headers = RANGE("3-4/6"), .body = "de"}},
         2,
         "Range: bytes=3-4",
         true,
         0,
         MR_OK,
         "bcde"},
        {"resumed with the whole object",
         0,
         0,
         -1,
         {{.status = 200, .body = "abc", .announced = 6, .end = FAKE_CLOSE},
          {.status = 200, .body = "abcdef"}},
         2,
         "Range: bytes=3-",
         false,
         0,
         MR_OK,
         "abcdef"},
        {"broken after the last byte",
         0,
         0,
         -1,
         {{.status = 200, .body = "abc", .announced = 4, .end = FAKE_CLOSE},
          {.status = 416},
          {.status = 200, .body = "{\"size\":\"3\",\"generation\":\"9\"}"}},
         3,
         NULL,
         false,
         0,
         MR_OK,
         "abc"},
        {"empty object",
         0,
         0,
         100,
         {{.status = 416}, {.status = 200, .body = "{\"size\":\"0\",\"generation\":\"9\"}"}},
         2,
         NULL,
         false,
         0,
         MR_OK,
         ""},
        {"past the end",
         0,
         7,
         100,
         {{.status = 416}, {.status = 200, .body = "{\"size\":\"6\",\"generation\":\"9\"}"}},
         2,
         NULL,
         false,
         0,
         MR_INVALID,
         ""},
        {"not found", 0, 0, -1, {{.status = 404, .body = "no"}}, 1, NULL, false, 0, MR_NOT_FOUND, ""},
        {"replaced meanwhile",
         9,
         0,
         -1,
         {{.status = 200, .body = "abc", .announced = 6, .end = FAKE_CLOSE}, {.status = 404}},
         2,
         "Range: bytes=3-",
         true,
         0,
         MR_NOT_FOUND,
         "abc"},
        {"sink refuses",
         0,
         0,
         -1,
         {{.status = 200, .body = "abc"}},
         1,
         NULL,
         false,
         MR_UNAVAILABLE,
         MR_UNAVAILABLE,
         ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        struct collected sink = {MR_BUF_INIT(1024), cases[i].refuse};
        struct mr_err err = {0};
        enum mr_status status = mr_storage_read(test_storage, "n", cases[i].generation, cases[i].offset,
                                                cases[i].length, collect, &sink, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_string_equal(mr_buf_str(&sink.buf), cases[i].data);
        mr_buf_free(&sink.buf);
        assert_int_equal(fake_http_count(test_fake), cases[i].count);
        if (cases[i].last_range)
            assert_true(fake_http_has_line(test_fake, cases[i].count - 1, cases[i].last_range));
        if (cases[i].pinned)
            assert_non_null(strstr(fake_http_head(test_fake, cases[i].count - 1), "generation=9"));
    }
}

static void needs_its_options(void **state)
{
    (void)state;
    static const struct {
        struct mr_storage_options options;
        enum mr_status expected;
    } cases[] = {
        {{.bucket = "b"}, MR_OK},
        {{.bucket = "b", .base_url = "http://localhost:1//", .chunk_bytes = 262144}, MR_OK},
        {{.bucket = "b", .chunk_bytes = 100000}, MR_INVALID},
        {{.bucket = ""}, MR_INVALID},
        {{.bucket = NULL}, MR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO(mr_storage) struct mr_storage *storage = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_storage_new(test_http, &cases[i].options, &storage, &err), cases[i].expected);
    }
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(stats),    WITH_SERVER(refuses_bad_names), WITH_SERVER(deletes),
        WITH_SERVER(composes), WITH_SERVER(reads_ranges),      WITH_SERVER(needs_its_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
