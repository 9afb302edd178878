/* shared/http/client against a scripted server: what arrives, what is reported, and what is never repeated.
 */
#include "shared/base/clock.h"
#include "shared/http/client.h"
#include "shared/http/retry.h"
#include "tests/unit/fake_http.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

struct fixture {
    struct mr_http_client *http;
    struct fake_http *fake;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mr_err err;
    assert_int_equal(mr_http_client_new("mediarun-test/1", &f->http, &err), MR_OK);
    f->fake = fake_http_start();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mr_http_client_free(f->http);
    fake_http_stop(f->fake);
    free(f);
    return 0;
}

static void sends_what_was_asked(void **state)
{
    static const char *const headers[] = {"X-One: 1", "Content-Type: text/plain", NULL};
    static const struct {
        const char *method;
        const char *body;
        const char *const *headers;
        const char *line, *header;
    } cases[] = {
        {"GET", NULL, headers, "GET /path?q=%2F HTTP/1.1", "X-One: 1"},
        {"HEAD", NULL, NULL, "HEAD /path?q=%2F HTTP/1.1", "User-Agent: mediarun-test/1"},
        {"POST", "hello", headers, "POST /path?q=%2F HTTP/1.1", "Content-Type: text/plain"},
        {"POST", NULL, NULL, "POST /path?q=%2F HTTP/1.1", "Content-Length: 0"},
        {"PUT", "hello", NULL, "PUT /path?q=%2F HTTP/1.1", "Content-Length: 5"},
        {"PATCH", "{}", NULL, "PATCH /path?q=%2F HTTP/1.1", "Content-Length: 2"},
        {"DELETE", NULL, NULL, "DELETE /path?q=%2F HTTP/1.1", "Accept: */*"},
        {"DELETE", "", NULL, "DELETE /path?q=%2F HTTP/1.1", "Content-Length: 0"},
    };
    static const struct fake_step steps[] = {{.status = 200, .body = "answer"}};
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof url, "%s/path?q=%%2F", fake_http_url(f->fake));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FAKE_SCRIPT(f->fake, steps);
        struct mr_http_request req = {.method = cases[i].method,
                                      .url = url,
                                      .headers = cases[i].headers,
                                      .body = cases[i].body,
                                      .body_len = cases[i].body ? strlen(cases[i].body) : 0};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_OK);
        assert_int_equal(res.status, 200);
        assert_true(res.request_sent);
        assert_string_equal(mr_buf_str(&res.body), strcmp(cases[i].method, "HEAD") == 0 ? "" : "answer");
        assert_true(fake_http_has_line(f->fake, 0, cases[i].line));
        assert_true(fake_http_has_line(f->fake, 0, cases[i].header));
        assert_null(strstr(fake_http_head(f->fake, 0), "urlencoded"));
        assert_string_equal(fake_http_body(f->fake, 0, NULL), cases[i].body ? cases[i].body : "");
    }
}

static void never_sends_expect(void **state)
{
    static const struct fake_step steps[] = {{.status = 200}};
    struct fixture *f = *state;
    size_t len = 3 * 1024 * 1024;
    MR_AUTO_STR char *body = malloc(len);
    memset(body, 'x', len);
    FAKE_SCRIPT(f->fake, steps);
    struct mr_http_request req = {
        .method = "PUT", .url = fake_http_url(f->fake), .body = body, .body_len = len};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_err err;
    assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_OK);
    assert_null(strcasestr(fake_http_head(f->fake, 0), "\r\nExpect"));
    size_t got = 0;
    fake_http_body(f->fake, 0, &got);
    assert_int_equal(got, len);
}

static void refuses_header_injection(void **state)
{
    static const char *const headers[] = {"X-One: 1\r\nX-Two: 2", NULL};
    struct fixture *f = *state;
    struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake), .headers = headers};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_err err;
    assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_INVALID);
    assert_int_equal(fake_http_count(f->fake), 0);
}

struct text_source {
    const char *text;
    enum mr_status end; /* given instead of the end */
};
static enum mr_status read_text(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    struct text_source *source = ctx;
    size_t left = strlen(source->text);
    if (!left && source->end != MR_OK)
        return mr_fail(err, source->end, "the source says no");
    *ret_len = len < left ? len : left;
    memcpy(data, source->text, *ret_len);
    source->text += *ret_len;
    return MR_OK;
}

static void sends_from_a_source(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        bool unknown;
        enum mr_status source_end, expected;
        const char *header, *body;
    } cases[] = {
        {"known length", 6, false, MR_OK, MR_OK, "Content-Length: 6", "abcdef"},
        {"chunked", 0, true, MR_OK, MR_OK, "Transfer-Encoding: chunked", "6\r\nabcdef\r\n0\r\n\r\n"},
        {"source too short", 7, false, MR_OK, MR_INVALID, NULL, NULL},
        {"source fails", 7, false, MR_NOT_FOUND, MR_NOT_FOUND, NULL, NULL},
        {"source fails, chunked", 0, true, MR_TIMEOUT, MR_TIMEOUT, NULL, NULL},
    };
    static const struct fake_step steps[] = {{.status = 200}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FAKE_SCRIPT(f->fake, steps);
        struct text_source source = {"abcdef", cases[i].source_end};
        struct mr_http_request req = {.method = "POST",
                                      .url = fake_http_url(f->fake),
                                      .source = read_text,
                                      .source_ctx = &source,
                                      .body_len = cases[i].len,
                                      .source_length_unknown = cases[i].unknown};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_http_perform(f->http, &req, &res, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        if (status != MR_OK)
            continue;
        assert_true(fake_http_has_line(f->fake, 0, cases[i].header));
        assert_string_equal(fake_http_body(f->fake, 0, NULL), cases[i].body);
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
        return mr_fail(err, c->refuse, "the sink says no");
    return mr_buf_append(&c->buf, data, len, err);
}

static void gives_bodies_to_the_sink(void **state)
{
    static const struct {
        const char *name;
        struct fake_step step;
        bool errors_too;
        enum mr_status refuse, expected;
        const char *sunk, *collected;
    } cases[] = {
        {"2xx to the sink", {.status = 206, .body = "data"}, false, MR_OK, MR_OK, "data", ""},
        {"4xx to the response", {.status = 404, .body = "gone"}, false, MR_OK, MR_OK, "", "gone"},
        {"4xx to the sink", {.status = 404, .body = "gone"}, true, MR_OK, MR_OK, "gone", ""},
        {"redirect not followed",
         {.status = 302, .headers = "Location: /x\r\n", .body = "r"},
         false,
         MR_OK,
         MR_OK,
         "",
         "r"},
        {"sink refuses", {.status = 200, .body = "data"}, false, MR_CONFLICT, MR_CONFLICT, "", ""},
        {"body too short",
         {.status = 200, .body = "data", .announced = 10, .end = FAKE_CLOSE},
         false,
         MR_OK,
         MR_UNAVAILABLE,
         "data",
         ""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, &cases[i].step, 1, false);
        struct collected sink = {MR_BUF_INIT(1024), cases[i].refuse};
        struct mr_http_request req = {.method = "GET",
                                      .url = fake_http_url(f->fake),
                                      .sink = collect,
                                      .sink_ctx = &sink,
                                      .sink_errors_too = cases[i].errors_too};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_http_perform(f->http, &req, &res, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(res.status, cases[i].step.status);
        assert_string_equal(mr_buf_str(&sink.buf), cases[i].sunk);
        assert_string_equal(mr_buf_str(&res.body), cases[i].collected);
        assert_int_equal(res.received, strlen(cases[i].sunk));
        mr_buf_free(&sink.buf);
    }
}

static void bounds_the_response(void **state)
{
    struct fixture *f = *state;
    size_t len = 70 * 1024;
    MR_AUTO_STR char *text = malloc(len + 1);
    memset(text, 'e', len);
    text[len] = '\0';
    struct fake_step steps[] = {{.status = 200, .body = text}, {.status = 500, .body = text}};
    FAKE_SCRIPT(f->fake, steps);
    struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake), .max_response = 1000};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_err err;
    assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_TOO_LARGE);

    /* A long error page costs its end, not the request. */
    struct collected sink = {MR_BUF_INIT(1024), MR_OK};
    req.sink = collect;
    req.sink_ctx = &sink;
    assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_OK);
    assert_int_equal(res.status, 500);
    assert_int_equal(res.body.len, 64 * 1024);
}

static void finds_headers(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 200, .headers = "X-A: first\r\nx-a:  second \r\nX-Ab: third\r\nX-Empty:\r\n"}};
    static const struct {
        const char *name;
        size_t room;
        const char *expected;
    } cases[] = {{"X-A", 32, "second"}, {"X-AB", 32, "third"}, {"x-empty", 32, ""}, {"X-None", 32, NULL},
                 {"X", 32, NULL},       {"X-A", 6, NULL},      {"X-A", 7, "second"}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake)};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_err err;
    assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char value[32] = "untouched";
        bool found = mr_http_response_header(&res, cases[i].name, value, cases[i].room);
        assert_int_equal(found, cases[i].expected != NULL);
        assert_string_equal(value, found ? cases[i].expected : "untouched");
    }
}

static void reports_broken_transfers(void **state)
{
    static const struct {
        const char *name;
        struct fake_step step;
        int http_status;
        enum mr_status expected;
    } cases[] = {
        {"closed without an answer", {.end = FAKE_CLOSE}, 0, MR_UNAVAILABLE},
        {"reset without an answer", {.end = FAKE_RESET}, 0, MR_UNAVAILABLE},
        {"reset in the body",
         {.status = 200, .body = "abc", .announced = 9, .end = FAKE_RESET},
         200,
         MR_UNAVAILABLE},
        {"silence", {.status = 0, .end = FAKE_KEEP}, 0, MR_TIMEOUT},
        {"silence in the body", {.status = 200, .body = "abc", .announced = 9}, 200, MR_TIMEOUT},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, &cases[i].step, 1, false);
        struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake), .timeout_ms = 300};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_http_perform(f->http, &req, &res, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(err.status, cases[i].expected);
        assert_true(err.message[0] != '\0');
        assert_true(res.request_sent);
        if (res.status != cases[i].http_status && !(cases[i].step.end == FAKE_RESET && res.status == 0))
            fail_msg("%s: http status %d", cases[i].name, res.status);
    }
}

static void knows_when_nothing_was_sent(void **state)
{
    struct fixture *f = *state;
    char refused[64];
    snprintf(refused, sizeof refused, "http://127.0.0.1:%d/secret", fake_closed_port());
    const struct {
        const char *url;
        enum mr_status expected;
    } cases[] = {
        {refused, MR_UNAVAILABLE},
        {"http://no-such-host.invalid/", MR_UNAVAILABLE},
        {"file:///etc/passwd", MR_INVALID},
        {"ftp://127.0.0.1/", MR_INVALID},
        {"http://", MR_INVALID},
        {"", MR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_http_request req = {.method = "GET", .url = cases[i].url, .timeout_ms = 5000};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_http_perform(f->http, &req, &res, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].url, mr_status_name(status), err.message);
        assert_false(res.request_sent);
        assert_int_equal(res.status, 0);
        assert_null(strstr(err.message, "secret"));
    }
}

/* A kept connection dies under the second request. Only one without effects may go out again. */
static void repeats_only_what_may_be_repeated(void **state)
{
    static const struct {
        const char *method;
        enum mr_status expected;
        size_t requests;
    } cases[] = {{"GET", MR_OK, 3},           {"HEAD", MR_OK, 3},
                 {"PUT", MR_UNAVAILABLE, 2},  {"DELETE", MR_UNAVAILABLE, 2},
                 {"POST", MR_UNAVAILABLE, 2}, {"PATCH", MR_UNAVAILABLE, 2}};
    static const struct fake_step steps[] = {
        {.status = 200}, {.status = 0, .end = FAKE_CLOSE}, {.status = 201}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FAKE_SCRIPT(f->fake, steps);
        struct mr_http_request req = {.method = cases[i].method, .url = fake_http_url(f->fake)};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_OK);
        enum mr_status status = mr_http_perform(f->http, &req, &res, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].method, mr_status_name(status), err.message);
        assert_int_equal(fake_http_count(f->fake), cases[i].requests);
        assert_true(res.request_sent);
    }
}

static bool is_set(void *ctx)
{
    return atomic_load((atomic_bool *)ctx);
}
static void *set_when_asked(void *ctx)
{
    struct fixture *f = ((void **)ctx)[0];
    int64_t deadline = mr_time_monotonic_us() + 5000000;
    while (!fake_http_count(f->fake) && mr_time_monotonic_us() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    atomic_store((atomic_bool *)((void **)ctx)[1], true);
    return NULL;
}

static void cancels_within_seconds(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .body = "abc", .announced = 9}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    atomic_bool flag = false;
    void *shared[] = {f, &flag};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, set_when_asked, shared), 0);
    struct mr_http_request req = {
        .method = "GET", .url = fake_http_url(f->fake), .canceled = is_set, .canceled_ctx = &flag};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_err err = {0};
    int64_t begun = mr_time_monotonic_us();
    assert_int_equal(mr_http_perform(f->http, &req, &res, &err), MR_CANCELED);
    assert_true(mr_time_monotonic_us() - begun < 4000000);
    pthread_join(thread, NULL);
}

static void retries_as_often_as_the_policy_says(void **state)
{
    (void)state;
    static const struct {
        struct mr_retry policy;
        int expected;
    } cases[] = {
        {{.attempts = 1, .base_ms = 1, .cap_ms = 1, .total_ms = 1000}, 0},
        {{.attempts = 4, .base_ms = 1, .cap_ms = 2, .total_ms = 1000}, 3},
        {{.attempts = 100, .base_ms = 1, .cap_ms = 1, .total_ms = 1000}, 99},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_retry_state retry = {0};
        int again = 0;
        while (mr_retry_again(&cases[i].policy, &retry))
            again++;
        assert_int_equal(again, cases[i].expected);
    }
    struct mr_retry short_of_time = {.attempts = 1000000, .base_ms = 5, .cap_ms = 5, .total_ms = 30};
    struct mr_retry_state retry = {0};
    int64_t begun = mr_time_monotonic_us();
    while (mr_retry_again(&short_of_time, &retry))
        continue;
    assert_true(mr_time_monotonic_us() - begun < 2000000);
    assert_true(retry.failures > 1);
}

static void maps_http_statuses(void **state)
{
    (void)state;
    static const struct {
        int http;
        enum mr_status status;
        bool transient;
    } cases[] = {
        {400, MR_INVALID, false},     {401, MR_DENIED, false},     {403, MR_DENIED, false},
        {404, MR_NOT_FOUND, false},   {408, MR_TIMEOUT, true},     {409, MR_CONFLICT, false},
        {410, MR_NOT_FOUND, false},   {412, MR_CONFLICT, false},   {413, MR_TOO_LARGE, false},
        {416, MR_INVALID, false},     {429, MR_EXHAUSTED, true},   {500, MR_UNAVAILABLE, true},
        {501, MR_UNAVAILABLE, false}, {502, MR_UNAVAILABLE, true}, {503, MR_UNAVAILABLE, true},
        {504, MR_TIMEOUT, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mr_http_status_to_status(cases[i].http), cases[i].status);
        assert_int_equal(mr_http_status_is_transient(cases[i].http), cases[i].transient);
    }
}

static void *many_requests(void *ctx)
{
    struct fixture *f = ctx;
    for (int i = 0; i < 20; i++) {
        struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake)};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        if (mr_http_perform(f->http, &req, &res, &err) != MR_OK || res.status != 200)
            return ctx; /* anything but NULL */
    }
    return NULL;
}

static void serves_many_threads(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .body = "x"}};
    struct fixture *f = *state;
    fake_http_script(f->fake, steps, 1, true);
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_requests, f), 0);
    for (size_t i = 0; i < 8; i++) {
        void *fault = NULL;
        pthread_join(threads[i], &fault);
        assert_null(fault);
    }
    assert_int_equal(fake_http_count(f->fake), 160);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(sends_what_was_asked),
        WITH_SERVER(never_sends_expect),
        WITH_SERVER(refuses_header_injection),
        WITH_SERVER(sends_from_a_source),
        WITH_SERVER(gives_bodies_to_the_sink),
        WITH_SERVER(bounds_the_response),
        WITH_SERVER(finds_headers),
        WITH_SERVER(reports_broken_transfers),
        WITH_SERVER(knows_when_nothing_was_sent),
        WITH_SERVER(repeats_only_what_may_be_repeated),
        WITH_SERVER(cancels_within_seconds),
        cmocka_unit_test(retries_as_often_as_the_policy_says),
        cmocka_unit_test(maps_http_statuses),
        WITH_SERVER(serves_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
