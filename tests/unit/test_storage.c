/* Objects in a scripted Cloud Storage: state, reading, composing, deleting, and each way in which it can break. */
#include "shared/base/crc32c.h"
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
        {"forbidden", {{.status = 403}}, 1, MR_UNAVAILABLE},
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
        {{{.status = 403}}, 1, MR_UNAVAILABLE},
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
    assert_int_equal(mr_storage_compose(test_storage, sources, 2, "c", "a/b", &object, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_storage_compose(test_storage, sources, 33, "c", "a/b", &object, &err), MR_INVALID);
}

/* Of one generation of the source; that it is gone is an answer and no refusal. */
static void copies(void **state)
{
    (void)state;
    char made[300];
    fixture_object_json(made, sizeof made, "data", 4);
    const struct {
        struct fake_step steps[4];
        size_t count;
        enum mr_status expected;
    } cases[] = {
        {{{.status = 200, .body = made}}, 1, MR_OK},
        {{{.end = FAKE_RESET}, {.status = 412}, {.status = 200, .body = made}, {.status = 200, .body = made}},
         4,
         MR_OK},
        {{{.status = 404}}, 1, MR_NOT_FOUND},
        {{{.status = 412}}, 1, MR_UNAVAILABLE},
        {{{.status = 403}}, 1, MR_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_object object = {0};
        struct mr_err err = {0};
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        if (mr_storage_copy(test_storage, "a", 9007199254740993, "c", "a/b", &object, &err) !=
            cases[i].expected)
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(object.size, cases[i].expected == MR_OK ? 4 : 0);
        assert_true(fake_http_has_line(test_fake, 0,
                                       "POST /storage/v1/b/bucket/o/c/compose?ifGenerationMatch=0 HTTP/1.1"));
        size_t len = 0;
        assert_string_equal(fake_http_body(test_fake, 0, &len),
                            "{\"sourceObjects\":[{\"name\":\"a\",\"generation\":\"9007199254740993\"}],"
                            "\"destination\":{\"contentType\":\"a/b\"}}");
    }
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
        const struct mr_read read = {.name = "n",
                                     .generation = cases[i].generation,
                                     .offset = cases[i].offset,
                                     .length = cases[i].length,
                                     .sink = collect,
                                     .sink_ctx = &sink};
        enum mr_status status = mr_storage_read(test_storage, &read, NULL, &err);
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

/* "crc32c=" of "abcdef", as Cloud Storage sends it: beside another header of this name. */
#define HASH "x-goog-hash: crc32c=U7zv8Q==\r\nx-goog-hash: md5=6AubVxG9EhnwM1ksPYgjTg==\r\n"

static void compares_the_checksum_of_a_whole_object(void **state)
{
    static const struct {
        const char *name;
        int64_t offset, length;
        struct fake_step steps[4];
        size_t count;
        enum mr_status expected;
        const char *data;
        bool whole;
    } cases[] = {
        {"right", 0, -1, {{.status = 200, .headers = HASH, .body = "abcdef"}}, 1, MR_OK, "abcdef", true},
        {"damaged once",
         0,
         -1,
         {{.status = 200, .headers = HASH, .body = "Xbcdef"},
          {.status = 200, .headers = HASH, .body = "abcdef"}},
         2,
         MR_OK,
         "abcdef",
         true},
        {"as a range of all bytes",
         0,
         6,
         {{.status = 206, .headers = RANGE("0-5/6") HASH, .body = "abcdeX"},
          {.status = 206, .headers = RANGE("0-5/6") HASH, .body = "abcdef"}},
         2,
         MR_OK,
         "abcdef",
         true},
        {"damaged always",
         0,
         -1,
         {{.status = 200, .headers = HASH, .body = "Xbcdef"},
          {.status = 200, .headers = HASH, .body = "aXcdef"},
          {.status = 200, .headers = HASH, .body = "abXdef"}},
         3,
         MR_UNAVAILABLE,
         "",
         false},
        {"damaged in what came before a break",
         0,
         -1,
         {{.status = 200, .headers = HASH, .body = "aXc", .announced = 6, .end = FAKE_CLOSE},
          {.status = 206, .headers = RANGE("3-5/6") HASH, .body = "def"}},
         2,
         MR_UNAVAILABLE,
         "aXc", /* never the last bytes */
         false},
        {"a part has none",
         0,
         3,
         {{.status = 206, .headers = RANGE("0-2/6") HASH, .body = "abX"}},
         1,
         MR_OK,
         "abX",
         true},
        {"decompressed on the way",
         0,
         -1,
         {{.status = 200, .headers = HASH "x-goog-stored-content-encoding: gzip\r\n", .body = "text"}},
         1,
         MR_OK,
         "text",
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        struct collected sink = {MR_BUF_INIT(1024), MR_OK};
        struct mr_checksum whole = {0};
        struct mr_err err = {0};
        const struct mr_read read = {.name = "n",
                                     .offset = cases[i].offset,
                                     .length = cases[i].length,
                                     .sink = collect,
                                     .sink_ctx = &sink};
        enum mr_status status = mr_storage_read(test_storage, &read, &whole, &err);
        if (status != cases[i].expected || fake_http_count(test_fake) != cases[i].count ||
            whole.is_known != cases[i].whole)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        if (status != MR_OK)
            assert_int_equal(err.code, MR_CODE_CORRUPTED);
        if (whole.is_known)
            assert_int_equal(whole.crc32c, mr_crc32c(0, "abcdef", 6));
        assert_string_equal(mr_buf_str(&sink.buf), cases[i].data);
        mr_buf_free(&sink.buf);
    }
}

/* More than libcurl passes on at once, so that the first bytes are out before the damage shows. */
static void loads_a_damaged_object_again(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    static char good[SIZE], bad[SIZE], header[64];
    char crc[9];
    memset(good, 'x', SIZE);
    memset(bad, 'x', SIZE);
    bad[0] = 'y';
    mr_crc32c_text(mr_crc32c(0, good, SIZE), crc);
    snprintf(header, sizeof header, "x-goog-hash: crc32c=%s,md5=x\r\n", crc);
    const struct fake_step step = {.status = 200, .headers = header, .body = good, .body_len = SIZE};
    struct fake_step damaged = step;
    damaged.body = bad;
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(SIZE);
    struct mr_err err = {0};
    FAKE_SCRIPT(test_fake, ((struct fake_step[]){damaged, step}));
    assert_int_equal(mr_storage_load(test_storage, "n", 0, &out, &err), MR_OK);
    assert_int_equal(out.len, SIZE);
    assert_memory_equal(out.data, good, SIZE);
    fake_http_script(test_fake, &damaged, 1, true);
    assert_int_equal(mr_storage_load(test_storage, "n", 0, &out, &err), MR_UNAVAILABLE);
    assert_int_equal(err.code, MR_CODE_CORRUPTED);
    assert_int_equal(out.len, 0);
    assert_int_equal(fake_http_count(test_fake), 3);
}

static int lines_of(FILE *file, char *last, size_t size)
{
    int count = 0;
    rewind(file);
    while (fgets(last, (int)size, file))
        count++;
    return count;
}

/* Whatever Google refuses is our own fault: one line for operators, however often it happens. */
static void reports_refusals(void **state)
{
    (void)state;
    static const int refusals[] = {400, 401, 403, 411, 413};
    MR_AUTO(mr_refusals) struct mr_refusals *reports = NULL;
    MR_AUTO(mr_storage) struct mr_storage *storage = NULL;
    struct mr_object object;
    struct mr_err err = {0};
    char line[1024];
    FILE *file = tmpfile();
    assert_non_null(file);
    const struct mr_log log = {.fd = fileno(file), .min = MR_LOG_ERROR, .program = "test"};
    assert_int_equal(mr_refusals_new(&log, &reports, &err), MR_OK);
    const struct mr_storage_options options = {
        .base_url = fake_http_url(test_fake), .bucket = "bucket", .refusals = reports};
    assert_int_equal(mr_storage_new(test_http, &options, &storage, &err), MR_OK);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct fake_step refused = {.status = refusals[i], .body = "{\"error\":{\"message\":\"no\"}}"};
        fake_http_script(test_fake, &refused, 1, true);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(mr_storage_put(storage, "o/1", "a/b", "x", 1, &object, &err), MR_UNAVAILABLE);
            assert_int_equal(err.code, MR_CODE_UNAVAILABLE);
        }
        assert_int_equal(lines_of(file, line, sizeof line), (int)i + 1);
        assert_non_null(strstr(line, "\"severity\":\"ERROR\""));
        assert_non_null(strstr(line, "\"permission\":\"storage.objects.create\""));
        assert_non_null(strstr(line, "\"resource\":\"bucket\""));
        assert_non_null(strstr(line, "\"object\":\"o/1\""));
        assert_non_null(strstr(line, ": no\""));
    }
    FAKE_SCRIPT(test_fake, ((struct fake_step[]){{.status = 404}}));
    assert_int_equal(mr_storage_put(storage, "o/1", "a/b", "x", 1, &object, &err), MR_UNAVAILABLE);
    assert_int_equal(lines_of(file, line, sizeof line), 6); /* no such bucket */
    FAKE_SCRIPT(test_fake, ((struct fake_step[]){{.status = 404}, {.status = 429}, {.status = 404}}));
    assert_int_equal(mr_storage_stat(storage, "o/1", &object, &err), MR_NOT_FOUND);
    assert_int_equal(mr_storage_stat(storage, "o/1", &object, &err), MR_NOT_FOUND);
    assert_int_equal(lines_of(file, line, sizeof line), 6); /* answers, and what passes */
    fclose(file);
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
        WITH_SERVER(stats),
        WITH_SERVER(refuses_bad_names),
        WITH_SERVER(deletes),
        WITH_SERVER(composes),
        WITH_SERVER(copies),
        WITH_SERVER(reads_ranges),
        WITH_SERVER(needs_its_options),
        WITH_SERVER(compares_the_checksum_of_a_whole_object),
        WITH_SERVER(loads_a_damaged_object_again),
        WITH_SERVER(reports_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
