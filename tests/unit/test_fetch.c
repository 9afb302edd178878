/* shared/http/fetch and disposition: redirects, limits, broken bodies, and what is refused on the way. */
#include "shared/base/clock.h"
#include "shared/http/disposition.h"
#include "shared/http/fetch.h"
#include "tests/unit/fake_http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct mr_http_client *http;
    struct fake_http *fake;   /* the origin, named in the allow list */
    struct fake_http *inside; /* on the same address, and not named */
    struct mr_guard *guard;
    struct mr_guard *strict; /* names nobody */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(mr_http_client_new("mediarun-test/1", &f->http, NULL), MR_OK);
    f->fake = fake_http_start();
    f->inside = fake_http_start();
    char hosts[64];
    snprintf(hosts, sizeof hosts, "127.0.0.1:%d", fake_http_port(f->fake));
    assert_int_equal(mr_guard_new(hosts, &f->guard, NULL), MR_OK);
    assert_int_equal(mr_guard_new("", &f->strict, NULL), MR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mr_http_client_free(f->http);
    fake_http_stop(f->fake);
    fake_http_stop(f->inside);
    mr_guard_free(f->guard);
    mr_guard_free(f->strict);
    free(f);
    return 0;
}

/* What a fetch brings. */
struct catch
{
    struct mr_buf body;
    struct mr_fetch_head head;
    int begun;
    enum mr_status refuse_head, refuse_body;
    bool cancel;
};
static enum mr_status on_begin(void *ctx, const struct mr_fetch_head *head, struct mr_err *err)
{
    struct catch *c = ctx;
    c->head = *head;
    c->begun++;
    return c->refuse_head == MR_OK ? MR_OK
                                   : mr_fail_as(err, c->refuse_head, MR_CODE_NOT_MEDIA, "the caller says no");
}
static enum mr_status on_body(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct catch *c = ctx;
    if (c->refuse_body != MR_OK)
        return mr_fail_as(err, c->refuse_body, MR_CODE_CORRUPTED, "the caller says no");
    return mr_buf_append(&c->body, data, len, err);
}
static bool is_canceled(void *ctx)
{
    return ((struct catch *)ctx)->cancel;
}

static enum mr_status fetch(struct fixture *f, const char *url, struct catch *c, struct mr_err *err)
{
    c->body = MR_BUF_INIT(1 << 20);
    const struct mr_fetch order = {.url = url,
                                   .guard = f->guard,
                                   .max_bytes = 100,
                                   .timeout_ms = 1000,
                                   .stall_seconds = 5,
                                   .begin = on_begin,
                                   .sink = on_body,
                                   .ctx = c,
                                   .canceled = is_canceled,
                                   .canceled_ctx = c};
    return mr_fetch(f->http, &order, err);
}

static void brings_the_file(void **state)
{
    static const struct {
        struct fake_step step;
        const char *body, *type, *name;
        int64_t size;
    } cases[] = {
        {{.status = 200, .headers = "Content-Type: Audio/MPEG; x=y\r\n", .body = "abc"},
         "abc",
         "audio/mpeg",
         "",
         3},
        {{.status = 200, .body = ""}, "", "", "", 0},
        {{.status = 204}, "", "", "", -1},
        {{.status = 200, .headers = "Content-Disposition: attachment; filename=\"a b.mp3\"\r\n", .body = "x"},
         "x",
         "",
         "a b.mp3",
         1},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, &cases[i].step, 1, false);
        struct catch c = {0};
        struct mr_err err = {0};
        if (fetch(f, fake_http_url(f->fake), &c, &err) != MR_OK)
            fail_msg("%zu: %s", i, err.message);
        assert_int_equal(err.status, MR_OK);
        assert_int_equal(c.begun, 1);
        assert_string_equal(mr_buf_str(&c.body), cases[i].body);
        assert_string_equal(c.head.content_type, cases[i].type);
        assert_string_equal(c.head.file_name, cases[i].name);
        assert_int_equal(c.head.size, cases[i].size);
        assert_true(fake_http_has_line(f->fake, 0, "Accept-Encoding: identity"));
        mr_buf_free(&c.body);
    }
}

static void follows_redirects(void **state)
{
    struct fixture *f = *state;
    char absolute[128];
    snprintf(absolute, sizeof absolute, "Location: %s/d/e\r\n", fake_http_url(f->fake));
    const struct fake_step steps[] = {
        {.status = 301, .headers = "Location: b/c?x=1#frag\r\n", .body = "moved"},
        {.status = 302, .headers = absolute, .body = ""},
        {.status = 303, .headers = "Location: ../my song\r\n"},
        {.status = 307, .headers = "Location: ?y\r\n", .body = "moved", .announced = 90},
        {.status = 308, .headers = "Location: /last\r\n"},
        {.status = 200, .body = "file"},
    };
    FAKE_SCRIPT(f->fake, steps);
    static const char *const lines[] = {
        "GET / HTTP/1.1",          "GET /b/c?x=1 HTTP/1.1",     "GET /d/e HTTP/1.1",
        "GET /my%20song HTTP/1.1", "GET /my%20song?y HTTP/1.1", "GET /last HTTP/1.1"};
    struct catch c = {0};
    struct mr_err err = {0};
    if (fetch(f, fake_http_url(f->fake), &c, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_string_equal(mr_buf_str(&c.body), "file");
    assert_int_equal(c.begun, 1);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_true(fake_http_has_line(f->fake, i, lines[i]));
    mr_buf_free(&c.body);
}

static void bounds_redirects(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step circle[] = {{.status = 302, .headers = "Location: /b\r\n"},
                                              {.status = 302, .headers = "Location: /a#x\r\n"}};
    static const struct fake_step itself[] = {{.status = 302, .headers = "Location: a#x\r\n"}};
    static const struct fake_step many[] = {
        {.status = 302, .headers = "Location: /1\r\n"}, {.status = 302, .headers = "Location: /2\r\n"},
        {.status = 302, .headers = "Location: /3\r\n"}, {.status = 302, .headers = "Location: /4\r\n"},
        {.status = 302, .headers = "Location: /5\r\n"}, {.status = 302, .headers = "Location: /6\r\n"}};
    static const struct fake_step nowhere[] = {{.status = 302}};
    static const struct fake_step empty[] = {{.status = 302, .headers = "Location:\r\n"}};
    static const struct {
        const struct fake_step *steps;
        size_t count;
        const char *code;
        size_t requests;
    } cases[] = {{circle, 2, "redirect_loop", 2},
                 {itself, 1, "redirect_loop", 1},
                 {many, 6, "too_many_redirects", 6},
                 {nowhere, 1, "url_malformed", 1},
                 {empty, 1, "url_malformed", 1}};
    char url[128];
    snprintf(url, sizeof url, "%s/a", fake_http_url(f->fake));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, cases[i].steps, cases[i].count, false);
        struct catch c = {0};
        struct mr_err err = {0};
        assert_int_equal(fetch(f, url, &c, &err), MR_INVALID);
        assert_string_equal(mr_code_name(err.code), cases[i].code);
        assert_int_equal(fake_http_count(f->fake), cases[i].requests);
        assert_int_equal(c.begun, 0);
    }
}

/* A name is judged where it leads, when it is connected to: nobody is asked for a second time. */
static void decides_at_the_connection(void **state)
{
    struct fixture *f = *state;
    static const char *const hosts[] = {"localhost", "LOCALHOST", "LOCALHOST.", "ip6-localhost"};
    int ports[] = {fake_http_port(f->inside), fake_closed_port()};
    struct mr_err first = {0};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts * 2; i++) {
        char url[128];
        snprintf(url, sizeof url, "http://%s:%d/", hosts[i / 2], ports[i % 2]);
        assert_int_equal(mr_guard_check_url(f->strict, url, 0, NULL), MR_OK);
        struct catch c = {0};
        struct mr_err err = {0};
        enum mr_status status = fetch(f, url, &c, &err);
        if (i / 2 >= 2 && status == MR_UNAVAILABLE)
            continue; /* not every resolver knows these */
        if (status != MR_INVALID || strcmp(mr_code_name(err.code), "address_refused") != 0)
            fail_msg("%s: %s (%s)", url, mr_code_name(err.code), err.message);
        if (!first.status)
            first = err;
        assert_string_equal(err.message, first.message); /* open or closed, whatever the name */
        assert_null(strstr(err.message, "127"));
    }
    assert_int_equal(fake_http_count(f->inside), 0);
}

static void refuses_redirects_to_the_inside(void **state)
{
    struct fixture *f = *state;
    int port = fake_http_port(f->inside);
    static const struct {
        const char *target; /* %d: the port of the inside server */
        const char *code;
    } cases[] = {
        {"http://127.0.0.1:%d/", "address_refused"},
        {"//127.0.0.1:%d/", "address_refused"},
        {"http://2130706433:%d/", "address_refused"},
        {"http://localhost:%d/", "address_refused"},
        {"http://[::1]:%d/", "address_refused"},
        {"http://[::ffff:7f00:1]:%d/", "address_refused"},
        {"http://u:p@127.0.0.1:%d/", "url_credentials"},
        {"ftp://127.0.0.1:%d/", "url_scheme"},
        {"file:///etc/passwd", "url_scheme"},
        {"javascript:alert(%d)", "url_malformed"},
        {"http://169.254.169.254/latest", "address_refused"},
        {"http://[::1", "url_malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char target[128] = "", location[256];
        const char *at = strstr(cases[i].target, "%d");
        snprintf(target, sizeof target, "%.*s", at ? (int)(at - cases[i].target) : 100, cases[i].target);
        snprintf(location, sizeof location, "Location: %s", target);
        if (at)
            snprintf(location, sizeof location, "Location: %s%d%s", target, port, at + 2);
        char lines[300];
        snprintf(lines, sizeof lines, "%s\r\n", location);
        const struct fake_step steps[] = {{.status = 302, .headers = "Location: /next\r\n"},
                                          {.status = 302, .headers = lines}};
        FAKE_SCRIPT(f->fake, steps);
        struct catch c = {0};
        struct mr_err err = {0};
        enum mr_status status = fetch(f, fake_http_url(f->fake), &c, &err);
        if (status != MR_INVALID || strcmp(mr_code_name(err.code), cases[i].code) != 0)
            fail_msg("%s: %s (%s)", cases[i].target, mr_code_name(err.code), err.message);
        assert_int_equal(fake_http_count(f->fake), 2);
        assert_int_equal(c.begun, 0);
    }
    assert_int_equal(fake_http_count(f->inside), 0);
}

/* A pooled connection that others made is not used, and none is left for others. */
static void shares_no_connection(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {{.status = 200, .body = "x"}};
    fake_http_script(f->inside, steps, 1, true);
    struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->inside)};
    for (int i = 0; i < 3; i++) {
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        req.guard = i == 1 ? f->strict : NULL;
        enum mr_status status = mr_http_perform(f->http, &req, &res, &err);
        assert_int_equal(status, i == 1 ? MR_INVALID : MR_OK);
        if (i == 1)
            assert_string_equal(mr_code_name(err.code), "address_refused");
    }
    assert_int_equal(fake_http_count(f->inside), 2);
}

static void judges_failures(void **state)
{
    static char big[201];
    memset(big, 'x', 200);
    static const struct {
        const char *name;
        struct fake_step step;
        enum mr_status refuse_head, refuse_body, expected;
        const char *code, *detail;
        int begun;
    } cases[] = {
        {"404", {.status = 404, .body = "gone"}, 0, 0, MR_NOT_FOUND, "fetch_failed", "status 404", 0},
        {"410", {.status = 410}, 0, 0, MR_NOT_FOUND, "fetch_failed", "status 410", 0},
        {"401", {.status = 401}, 0, 0, MR_DENIED, "fetch_failed", "status 401", 0},
        {"403", {.status = 403}, 0, 0, MR_DENIED, "fetch_failed", "status 403", 0},
        {"418", {.status = 418}, 0, 0, MR_INVALID, "fetch_failed", "status 418", 0},
        {"300",
         {.status = 300, .headers = "Location: /x\r\n"},
         0,
         0,
         MR_INVALID,
         "fetch_failed",
         "status 300",
         0},
        {"304", {.status = 304}, 0, 0, MR_INVALID, "fetch_failed", "status 304", 0},
        {"408", {.status = 408}, 0, 0, MR_TIMEOUT, "fetch_failed", "status 408", 0},
        {"429", {.status = 429}, 0, 0, MR_EXHAUSTED, "fetch_failed", "status 429", 0},
        {"500", {.status = 500, .body = big}, 0, 0, MR_UNAVAILABLE, "fetch_failed", "status 500", 0},
        {"501", {.status = 501}, 0, 0, MR_UNAVAILABLE, "fetch_failed", "status 501", 0},
        {"504", {.status = 504}, 0, 0, MR_TIMEOUT, "fetch_failed", "status 504", 0},
        {"no answer", {.end = FAKE_CLOSE}, 0, 0, MR_UNAVAILABLE, "fetch_failed", "server of the URL", 0},
        {"reset", {.end = FAKE_RESET}, 0, 0, MR_UNAVAILABLE, "fetch_failed", "server of the URL", 0},
        {"silence", {.end = FAKE_KEEP}, 0, 0, MR_TIMEOUT, "fetch_failed", "server of the URL", 0},
        {"cut",
         {.status = 200, .body = "abc", .announced = 9, .end = FAKE_CLOSE},
         0,
         0,
         MR_UNAVAILABLE,
         "fetch_failed",
         "server of the URL",
         1},
        {"silence in the body",
         {.status = 200, .body = "abc", .announced = 9},
         0,
         0,
         MR_TIMEOUT,
         "fetch_failed",
         "server of the URL",
         1},
        {"announces too much",
         {.status = 200, .announced = 10737418240},
         0,
         0,
         MR_TOO_LARGE,
         "too_large",
         "larger than 100 bytes",
         0},
        {"chunked, too much",
         {.status = 200, .headers = "Transfer-Encoding: chunked\r\n", .body = "96\r\n", .end = FAKE_KEEP},
         0,
         0,
         MR_TIMEOUT,
         "fetch_failed",
         "server of the URL",
         0},
        {"head refused",
         {.status = 200, .body = "abc"},
         MR_UNSUPPORTED,
         0,
         MR_UNSUPPORTED,
         "not_media",
         "says no",
         1},
        {"head of nothing refused",
         {.status = 200},
         MR_UNSUPPORTED,
         0,
         MR_UNSUPPORTED,
         "not_media",
         "says no",
         1},
        {"body refused",
         {.status = 200, .body = "abc"},
         0,
         MR_UNAVAILABLE,
         MR_UNAVAILABLE,
         "corrupted",
         "says no",
         1},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, &cases[i].step, 1, false);
        struct catch c = {.refuse_head = cases[i].refuse_head, .refuse_body = cases[i].refuse_body};
        struct mr_err err = {0};
        enum mr_status status = fetch(f, fake_http_url(f->fake), &c, &err);
        if (status != cases[i].expected || strcmp(mr_code_name(err.code), cases[i].code) != 0 ||
            !strstr(err.message, cases[i].detail) || c.begun != cases[i].begun)
            fail_msg("%s: %s %s (%s), begun %d", cases[i].name, mr_status_name(status),
                     mr_code_name(err.code), err.message, c.begun);
        mr_buf_free(&c.body);
    }
}

/* Without an announced length the bytes themselves are counted. */
static void counts_what_comes(void **state)
{
    struct fixture *f = *state;
    char body[200];
    int head = snprintf(body, sizeof body, "65\r\n"); /* 101 bytes */
    memset(body + head, 'x', 101);
    snprintf(body + head + 101, 20, "\r\n0\r\n\r\n");
    for (int limit = 0; limit < 2; limit++) {
        if (limit) /* one byte less: 100 */
            memcpy(body, "64", 2), memmove(body + head + 100, body + head + 101, 8);
        const struct fake_step steps[] = {
            {.status = 200, .headers = "Transfer-Encoding: chunked\r\n", .body = body, .end = FAKE_KEEP}};
        FAKE_SCRIPT(f->fake, steps);
        struct catch c = {0};
        struct mr_err err = {0};
        assert_int_equal(fetch(f, fake_http_url(f->fake), &c, &err), limit ? MR_OK : MR_TOO_LARGE);
        assert_int_equal(c.body.len, limit ? 100 : 0);
        mr_buf_free(&c.body);
    }
}

static void gives_up_silent_servers(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {{.status = 200, .body = "abc", .announced = 9}};
    FAKE_SCRIPT(f->fake, steps);
    struct catch c = {.body = MR_BUF_INIT(100)};
    const struct mr_fetch order = {.url = fake_http_url(f->fake),
                                   .guard = f->guard,
                                   .max_bytes = 100,
                                   .timeout_ms = 60000,
                                   .stall_seconds = 1,
                                   .begin = on_begin,
                                   .sink = on_body,
                                   .ctx = &c};
    struct mr_err err = {0};
    int64_t begun = mr_time_monotonic_us();
    assert_int_equal(mr_fetch(f->http, &order, &err), MR_TIMEOUT);
    assert_true(mr_time_monotonic_us() - begun < 20000000);
    mr_buf_free(&c.body);
}

/* 20 bytes a second: no stall, but it would hold its slot for hours. */
static void gives_up_slow_servers(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {
        {.status = 200, .body = "abc", .announced = 100000, .end = FAKE_DRIP}};
    static const struct {
        int64_t min_bytes_per_s;
        int timeout_ms;
        const char *why;
    } cases[] = {{0, 3000, "timed out"},
                 {5, 3000, "timed out"},
                 {1000, 60000, "less than 1000 bytes/s arrived for 1 s"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FAKE_SCRIPT(f->fake, steps);
        struct catch c = {.body = MR_BUF_INIT(1000)};
        const struct mr_fetch order = {.url = fake_http_url(f->fake),
                                       .guard = f->guard,
                                       .max_bytes = 1000000,
                                       .timeout_ms = cases[i].timeout_ms,
                                       .min_bytes_per_s = cases[i].min_bytes_per_s,
                                       .stall_seconds = 1,
                                       .begin = on_begin,
                                       .sink = on_body,
                                       .ctx = &c};
        struct mr_err err = {0};
        int64_t begun = mr_time_monotonic_us();
        assert_int_equal(mr_fetch(f->http, &order, &err), MR_TIMEOUT);
        assert_int_equal(err.code, MR_CODE_FETCH_FAILED);
        assert_non_null(strstr(err.message, cases[i].why));
        assert_true(mr_time_monotonic_us() - begun < 20000000);
        mr_buf_free(&c.body);
    }
}

static void makes_the_type_storable(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {
        {.status = 200, .headers = "Content-Type: audio/\xff\xc3\x28\r\n", .body = "abc"}};
    struct catch c = {.body = MR_BUF_INIT(1000)};
    FAKE_SCRIPT(f->fake, steps);
    assert_int_equal(fetch(f, fake_http_url(f->fake), &c, NULL), MR_OK);
    assert_string_equal(c.head.content_type, "audio/?"
                                             "?(");
    mr_buf_free(&c.body);
}

static void is_canceled_within_seconds(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {{.status = 200, .body = "abc", .announced = 9}};
    FAKE_SCRIPT(f->fake, steps);
    struct catch c = {.cancel = true, .body = MR_BUF_INIT(100)};
    const struct mr_fetch order = {.url = fake_http_url(f->fake),
                                   .guard = f->guard,
                                   .max_bytes = 100,
                                   .timeout_ms = 60000,
                                   .begin = on_begin,
                                   .sink = on_body,
                                   .ctx = &c,
                                   .canceled = is_canceled,
                                   .canceled_ctx = &c};
    struct mr_err err = {0};
    int64_t begun = mr_time_monotonic_us();
    assert_int_equal(mr_fetch(f->http, &order, &err), MR_CANCELED);
    assert_true(mr_time_monotonic_us() - begun < 10000000);
    mr_buf_free(&c.body);
}

static void refuses_bad_urls_at_once(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = {"", "ftp://example.com/", "http://u@example.com/", "http://10.0.0.1/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct catch c = {0};
        assert_int_equal(fetch(f, urls[i], &c, NULL), MR_INVALID);
    }
}

static void reads_suggested_names(void **state)
{
    (void)state;
    static const struct {
        const char *value, *name; /* NULL: none */
    } cases[] = {
        {"attachment; filename=a.mp3", "a.mp3"},
        {"attachment; filename=\"a b.mp3\"", "a b.mp3"},
        {"inline;filename=\"a\\\"b.mp3\"", "a\"b.mp3"},
        {"attachment; filename=plain.mp3; filename*=UTF-8''na%C3%AFve.mp3", "na\xc3\xafve.mp3"},
        {"attachment; filename*=utf-8'en'a%20b.mp3; filename=plain.mp3", "a b.mp3"},
        {"attachment; filename*=ISO-8859-1''%e4.mp3; filename=plain.mp3", "plain.mp3"},
        {"attachment; filename*=UTF-8''%zz; filename=plain.mp3", "plain.mp3"},
        {"attachment; filename=\"../../etc/passwd\"", "passwd"},
        {"attachment; filename*=UTF-8''..%2F..%2Fx.mp3", "x.mp3"},
        {"attachment; filename=\"c:\\dir\\x.mp3\"", "x.mp3"},
        {"attachment", NULL},
        {"", NULL},
        {"attachment; filename=\"\"", NULL},
        {"attachment; filename=\"dir/\"", NULL},
        {"attachment; filename*=UTF-8''a%0Ab", NULL},
        {"attachment; filename=\"\xff\"", NULL},
        {"attachment; filename=123456789012345678901234567890123", NULL}, /* too long for its room */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32] = "";
        bool found = mr_disposition_file_name(cases[i].value, name, sizeof name);
        if (found != (cases[i].name != NULL) || (found && strcmp(name, cases[i].name) != 0))
            fail_msg("%s: \"%s\"", cases[i].value, name);
    }
}

int main(void)
{
#define WITH_SERVERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVERS(brings_the_file),
        WITH_SERVERS(follows_redirects),
        WITH_SERVERS(bounds_redirects),
        WITH_SERVERS(decides_at_the_connection),
        WITH_SERVERS(refuses_redirects_to_the_inside),
        WITH_SERVERS(shares_no_connection),
        WITH_SERVERS(judges_failures),
        WITH_SERVERS(counts_what_comes),
        WITH_SERVERS(gives_up_silent_servers),
        WITH_SERVERS(gives_up_slow_servers),
        WITH_SERVERS(makes_the_type_storable),
        WITH_SERVERS(is_canceled_within_seconds),
        WITH_SERVERS(refuses_bad_urls_at_once),
        cmocka_unit_test(reads_suggested_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
