#include "shared/base/log.h"

#include "shared/base/cleanup.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

/* A logger whose lines can be read back. */
struct fixture {
    FILE *file;
    struct mr_log log;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture.file = tmpfile();
    fixture.log = mr_log_init("test", MR_LOG_INFO);
    fixture.log.fd = fileno(fixture.file);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    return fclose(fixture->file);
}

/* The next line, parsed; NULL at the end. */
static json_t *next_line(struct fixture *fixture)
{
    static const size_t max = 100000;
    MR_AUTO_STR char *line = malloc(max);
    assert_non_null(line);
    if (!fgets(line, (int)max, fixture->file))
        return NULL;
    json_error_t fault;
    json_t *entry = json_loads(line, JSON_REJECT_DUPLICATES, &fault);
    assert_non_null(entry);
    return entry;
}

static const char *field(const json_t *entry, const char *name)
{
    const char *value = json_string_value(json_object_get(entry, name));
    return value ? value : "(none)";
}

static void test_line(void **state)
{
    struct fixture *fixture = *state;
    mr_log_write(&fixture->log, MR_LOG_NOTICE, "two\nlines \"quoted\"", "{s:i, s:s}", "n", 5, "message",
                 "other");
    rewind(fixture->file);
    MR_AUTO_JSON json_t *entry = next_line(fixture);
    assert_string_equal(field(entry, "severity"), "NOTICE");
    assert_string_equal(field(entry, "message"), "two\nlines \"quoted\""); /* our own fields win */
    assert_string_equal(field(entry, "program"), "test");
    assert_int_equal(json_integer_value(json_object_get(entry, "n")), 5);
    assert_int_equal(strlen(field(entry, "time")), strlen("2026-01-31T23:59:59.123456Z"));
    assert_null(json_object_get(entry, "logging.googleapis.com/trace"));
    assert_null(next_line(fixture));
}

static void test_severity_floor(void **state)
{
    struct fixture *fixture = *state;
    struct mr_err cause = {0};
    mr_log_write(&fixture->log, MR_LOG_DEBUG, "hidden", NULL);
    mr_log_err(&fixture->log, MR_LOG_DEBUG, "hidden", &cause, NULL);
    mr_log_write(&fixture->log, MR_LOG_INFO, "shown", NULL);
    rewind(fixture->file);
    MR_AUTO_JSON json_t *entry = next_line(fixture);
    assert_string_equal(field(entry, "message"), "shown");
    assert_null(next_line(fixture));
}

static void test_failure_fields(void **state)
{
    struct fixture *fixture = *state;
    struct mr_err cause;
    mr_fail_code(&cause, MR_CODE_FETCH_FAILED, "cannot connect");
    mr_log_err(&fixture->log, MR_LOG_ERROR, "failed", &cause, "{s:b}", "again", 1);
    rewind(fixture->file);
    MR_AUTO_JSON json_t *entry = next_line(fixture);
    const json_t *error = json_object_get(entry, "error");
    assert_string_equal(field(error, "status"), "unavailable");
    assert_string_equal(field(error, "code"), "fetch_failed");
    assert_string_equal(field(error, "message"), "cannot connect");
    assert_true(json_is_true(json_object_get(entry, "again")));
}

static void test_hostile_text_does_not_lose_the_line(void **state)
{
    struct fixture *fixture = *state;
    mr_log_write(&fixture->log, MR_LOG_INFO, "bad \xff", NULL);
    mr_log_write(&fixture->log, MR_LOG_INFO, "bad field", "{s:s}", "x", "\xff");
    rewind(fixture->file);
    MR_AUTO_JSON json_t *first = next_line(fixture);
    MR_AUTO_JSON json_t *second = next_line(fixture);
    assert_string_equal(field(first, "message"), "bad ?");
    assert_string_equal(field(second, "message"), "bad field");
    assert_non_null(json_object_get(second, "log_fault"));
}

static void test_text(void **state)
{
    struct fixture *fixture = *state;
    static const char *const lines[] = {
        " NOTICE   test: GET 200 n=5 ms=1.5 path=/a path2=\"a b\" evil=\"\\u001B[0m\\u00E9\" none=null\n",
        " WARNING  test: \"two\\nlines\" error.status=invalid error.code=invalid error.message=broken\n",
    };
    struct mr_err cause;
    mr_fail(&cause, MR_INVALID, "broken");
    mr_log_set_format(&fixture->log, "text");
    mr_log_write(&fixture->log, MR_LOG_NOTICE, "GET 200", "{s:i,s:f,s:s,s:s,s:s,s:n}", "n", 5, "ms", 1.5,
                 "path", "/a", "path2", "a b", "evil", "\x1b[0m\xc3\xa9", "none");
    mr_log_err(&fixture->log, MR_LOG_WARNING, "two\nlines", &cause, NULL);
    mr_log_set_format(&fixture->log, "json");
    rewind(fixture->file);
    for (size_t i = 0; i < 2; i++) {
        char line[1000];
        assert_non_null(fgets(line, sizeof line, fixture->file));
        assert_true(line[2] == ':' && line[8] == '.'); /* the time */
        assert_string_equal(strchr(line, ' '), lines[i]);
    }
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static void test_traces(void **state)
{
    (void)state;
    static const struct {
        const char *traceparent, *cloud, *trace, *span;
    } traces[] = {
        {"00-" TRACE "-b7ad6b7169203331-01", NULL, TRACE, "b7ad6b7169203331"},
        {"00-" TRACE "-b7ad6b7169203331-01", "00000000000000000000000000000001/1", TRACE, "b7ad6b7169203331"},
        {NULL, TRACE "/1;o=1", TRACE, "0000000000000001"},
        {NULL, TRACE "/18446744073709551615", TRACE, "ffffffffffffffff"},
        {NULL, TRACE, TRACE, ""},
        {"garbage", TRACE "/x", TRACE, ""},
        {"00-" TRACE "-b7ad6b71692033", NULL, "", ""},
        {"00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", NULL, "", ""},
        {NULL, "short/1", "", ""},
        {NULL, NULL, "", ""},
    };
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
        struct mr_log log = mr_log_init("test", MR_LOG_INFO);
        mr_log_set_trace(&log, traces[i].traceparent, traces[i].cloud);
        assert_string_equal(log.trace, traces[i].trace);
        assert_string_equal(log.span, traces[i].span);
    }
}

static void test_trace_is_named_in_full(void **state)
{
    struct fixture *fixture = *state;
    mr_log_set_trace(&fixture->log, "00-" TRACE "-b7ad6b7169203331-01", NULL);
    mr_log_write(&fixture->log, MR_LOG_INFO, "x", NULL);
    fixture->log.project = "p1";
    mr_log_write(&fixture->log, MR_LOG_INFO, "x", NULL);
    rewind(fixture->file);
    MR_AUTO_JSON json_t *bare = next_line(fixture);
    MR_AUTO_JSON json_t *full = next_line(fixture);
    assert_string_equal(field(bare, "logging.googleapis.com/trace"), TRACE);
    assert_string_equal(field(full, "logging.googleapis.com/trace"), "projects/p1/traces/" TRACE);
    assert_string_equal(field(full, "logging.googleapis.com/spanId"), "b7ad6b7169203331");
}

static void test_parse_severity(void **state)
{
    (void)state;
    enum mr_severity severity = MR_LOG_DEBUG;
    assert_true(mr_log_parse_severity("warning", &severity));
    assert_int_equal(severity, MR_LOG_WARNING);
    assert_true(mr_log_parse_severity("CRITICAL", &severity));
    assert_int_equal(severity, MR_LOG_CRITICAL);
    assert_false(mr_log_parse_severity("loud", &severity));
    assert_false(mr_log_parse_severity("", &severity));
    assert_int_equal(severity, MR_LOG_CRITICAL);
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < 100; i++)
        mr_log_write(arg, MR_LOG_INFO, "a line of some length to be torn apart", "{s:i}", "i", i);
    return NULL;
}

static void test_lines_of_threads_stay_whole(void **state)
{
    struct fixture *fixture = *state;
    /* Appending, as stderr is: whole writes then land one after the other. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fixture->log.fd);
    FILE *appending = fopen(path, "a");
    assert_non_null(appending);
    fixture->log.fd = fileno(appending);
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &fixture->log), 0);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    fclose(appending);
    rewind(fixture->file);
    int lines = 0;
    for (json_t *entry; (entry = next_line(fixture)); lines++)
        json_decref(entry);
    assert_int_equal(lines, 800);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_line),
        TEST(test_text),
        TEST(test_severity_floor),
        TEST(test_failure_fields),
        TEST(test_hostile_text_does_not_lose_the_line),
        TEST(test_traces),
        TEST(test_trace_is_named_in_full),
        TEST(test_parse_severity),
        TEST(test_lines_of_threads_stay_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
