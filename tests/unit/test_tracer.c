/* Spans and the tracer: ids and parents, OTLP's JSON, and collectors that do not answer. */
#include "shared/http/otlp.h"
#include "shared/http/tracer.h"

#include "shared/base/clock.h"
#include "tests/unit/fake_http.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define CLIENT "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

enum { MANY = 5000, QUICK_US = 5000000, STOP_US = 5000000, STOPS = 40 };

static struct mr_http_client *http;
static struct mr_log silent;

static int setup(void **state)
{
    (void)state;
    silent = mr_log_init("test", MR_LOG_CRITICAL);
    return mr_http_client_new("test", &http, NULL) == MR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mr_http_client_free(http);
    return 0;
}

static enum mr_status start(const char *endpoint, const char *headers, struct mr_http_metrics *metrics,
                            struct mr_tracer **ret, struct mr_err *err)
{
    const struct mr_tracer_options options = {.endpoint = endpoint,
                                              .headers = headers,
                                              .service = "test",
                                              .http = http,
                                              .metrics = metrics,
                                              .log = &silent};
    return mr_tracer_start(&options, ret, err);
}

static void headers_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "authorization", "=x",
        "a=1,b",         "a b=1",
        "a:=1",          "a=%0d%0ax: y",
        "a=%zz",         "a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1,a=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mr_tracer *tracer = NULL;
        struct mr_err err = {0};
        assert_int_equal(start("http://127.0.0.1:9", bad[i], NULL, &tracer, &err), MR_INVALID);
        assert_null(tracer);
    }
    struct mr_tracer *none = (struct mr_tracer *)1;
    assert_int_equal(start("", "a", NULL, &none, NULL), MR_OK);
    assert_null(none);
    mr_tracer_stop(NULL);
}

static void nothing_is_recorded_without_a_tracer(void **state)
{
    (void)state;
    struct mr_log log = {0};
    struct mr_span span = mr_span_begin(NULL, &log, "a", MR_SPAN_SERVER);
    struct mr_span below = mr_span_child(&span, "b", MR_SPAN_INTERNAL);
    assert_false(mr_span_is_recorded(&span) || mr_span_is_recorded(&below));
    mr_span_enter(&span, &log);
    mr_span_set_text(&span, "k", "v");
    mr_span_end(&span, MR_OK);
    assert_string_equal(log.trace, "");
}

/* The trace comes from the log; ids of zeros name nothing. */
static void a_span_continues_the_trace_of_the_log(void **state)
{
    (void)state;
    MR_AUTO(mr_tracer) struct mr_tracer *tracer = NULL;
    assert_int_equal(start("http://127.0.0.1:9", "", NULL, &tracer, NULL), MR_OK);
    struct mr_log log = {0};
    mr_log_set_trace(&log, CLIENT, NULL);
    struct mr_span span = mr_span_begin(tracer, &log, "a", MR_SPAN_SERVER);
    assert_string_equal(span.trace, "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(span.parent, "b7ad6b7169203331");
    struct mr_span below = mr_span_child(&span, "b", MR_SPAN_INTERNAL);
    assert_string_equal(below.trace, span.trace);
    assert_string_equal(below.parent, span.id);
    char parent[MR_SPAN_TRACEPARENT_MAX];
    mr_span_traceparent(&below, parent);
    mr_span_enter(&below, &log);
    struct mr_log again = {0};
    mr_log_set_trace(&again, parent, NULL);
    assert_string_equal(again.trace, log.trace);
    assert_string_equal(again.span, below.id);
    assert_false(again.is_unsampled);

    static const struct {
        const char *traceparent, *cloud;
        bool is_recorded, continues;
    } cases[] = {
        {NULL, NULL, true, false},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", NULL, true, false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", NULL, false, false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", NULL, true, true},
        {NULL, "0af7651916cd43dd8448eb211c80319c/12;o=1", true, true},
        {NULL, "0af7651916cd43dd8448eb211c80319c/12;o=0", false, false},
        {NULL, "0af7651916cd43dd8448eb211c80319c", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_log one = {0};
        mr_log_set_trace(&one, cases[i].traceparent, cases[i].cloud);
        struct mr_span made = mr_span_begin(tracer, &one, "c", MR_SPAN_SERVER);
        assert_int_equal(mr_span_is_recorded(&made), cases[i].is_recorded);
        if (cases[i].is_recorded)
            assert_int_equal(strcmp(made.trace, span.trace) == 0, cases[i].continues);
    }
}

static void the_json_is_otlps(void **state)
{
    (void)state;
    struct mr_span span = {.name = "n",
                           .kind = MR_SPAN_CLIENT,
                           .trace = "0af7651916cd43dd8448eb211c80319c",
                           .id = "b7ad6b7169203331",
                           .start_us = INT64_C(1700000000000001),
                           .took_us = 5,
                           .failed = true};
    struct mr_span other = {.name = "m", .kind = MR_SPAN_INTERNAL, .parent = "b7ad6b7169203331"};
    span.attributes[0] = (struct mr_span_attribute){.key = "a", .number = INT64_MAX};
    span.attributes[1] = (struct mr_span_attribute){.key = "b", .is_text = true, .text = "caf\xc3"}; /* cut */
    span.attribute_count = 2;
    MR_AUTO_JSON json_t *request = NULL;
    assert_int_equal(mr_otlp_request("svc", (struct mr_span[]){span, other}, 2, &request, NULL), MR_OK);
    const json_t *first = json_array_get(json_object_get(request, "resourceSpans"), 0);
    const json_t *spans = json_object_get(json_array_get(json_object_get(first, "scopeSpans"), 0), "spans");
    assert_int_equal(json_array_size(spans), 2);
    const json_t *one = json_array_get(spans, 0);
    assert_string_equal(json_string_value(json_object_get(one, "startTimeUnixNano")), "1700000000000001000");
    assert_string_equal(json_string_value(json_object_get(one, "endTimeUnixNano")), "1700000000000006000");
    assert_null(json_object_get(one, "parentSpanId"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "status"), "code")), 2);
    assert_string_equal(
        json_string_value(json_object_get(
            json_object_get(json_array_get(json_object_get(one, "attributes"), 0), "value"), "intValue")),
        "9223372036854775807");
    assert_non_null(json_string_value(json_object_get(
        json_object_get(json_array_get(json_object_get(one, "attributes"), 1), "value"), "stringValue")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(spans, 1), "parentSpanId")),
                        span.id);
}

static void end_many(struct mr_tracer *tracer, int count)
{
    const int64_t began_us = mr_time_monotonic_us();
    for (int i = 0; i < count; i++) {
        struct mr_log log = {0};
        struct mr_span span = mr_span_begin(tracer, &log, "s", MR_SPAN_INTERNAL);
        mr_span_end(&span, MR_OK);
        mr_span_end(&span, MR_OK); /* once is enough */
    }
    assert_true(mr_time_monotonic_us() - began_us < QUICK_US);
}

static int64_t spans_counted(struct mr_http_metrics *metrics, const char *outcome)
{
    char line[64];
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(1 << 16);
    assert_int_equal(mr_metrics_write(mr_http_metrics_cells(metrics), &text, NULL), MR_OK);
    snprintf(line, sizeof line, "mediarun_spans_total{outcome=\"%s\"} ", outcome);
    const char *found = strstr(mr_buf_str(&text), line);
    return found ? strtoll(found + strlen(line), NULL, 10) : 0;
}

/* Nobody listens, or somebody takes the request and says nothing: ending spans stays quick, and stopping too. None is lost
 * without being counted. */
static void a_collector_that_is_down_delays_nobody(void **state)
{
    (void)state;
    struct fake_http *fake = fake_http_start();
    static const struct fake_step silence[] = {{.status = 0, .end = FAKE_KEEP}};
    fake_http_script(fake, silence, 1, true);
    char refused[64];
    snprintf(refused, sizeof refused, "http://127.0.0.1:%d", fake_closed_port());
    const char *const endpoints[] = {refused, fake_http_url(fake)};
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        MR_AUTO(mr_http_metrics) struct mr_http_metrics *metrics = NULL;
        struct mr_tracer *tracer = NULL;
        assert_int_equal(mr_http_metrics_new(NULL, 0, NULL, 0, &metrics, NULL), MR_OK);
        assert_int_equal(start(endpoints[i], "", metrics, &tracer, NULL), MR_OK);
        end_many(tracer, MANY);
        assert_true(spans_counted(metrics, "dropped") >= MANY - 2048 - 2 * 256);
        const int64_t began_us = mr_time_monotonic_us();
        mr_tracer_stop(tracer);
        assert_true(mr_time_monotonic_us() - began_us < STOP_US);
        assert_int_equal(spans_counted(metrics, "dropped"), MANY);
        assert_int_equal(spans_counted(metrics, "exported"), 0);
    }
    fake_http_stop(fake);
}

/* Also what is on its way when the stop comes: the thread is somewhere else in every round. */
static void what_is_queued_is_sent_at_the_end(void **state)
{
    (void)state;
    struct fake_http *fake = fake_http_start();
    static const struct fake_step good[] = {{.status = 200, .body = "{}"}};
    fake_http_script(fake, good, 1, true);
    MR_AUTO(mr_http_metrics) struct mr_http_metrics *metrics = NULL;
    assert_int_equal(mr_http_metrics_new(NULL, 0, NULL, 0, &metrics, NULL), MR_OK);
    for (int round = 1; round <= STOPS; round++) {
        struct mr_tracer *tracer = NULL;
        assert_int_equal(start(fake_http_url(fake), "a=%C3%A9,b=2", metrics, &tracer, NULL), MR_OK);
        end_many(tracer, 600);
        poll(NULL, 0, round % 4);
        mr_tracer_stop(tracer);
        assert_int_equal(spans_counted(metrics, "exported"), INT64_C(600) * round);
    }
    assert_true(fake_http_count(fake) >= 3 * STOPS);
    assert_true(fake_http_has_line(fake, 0, "POST /v1/traces HTTP/1.1"));
    assert_true(fake_http_has_line(fake, 0, "a: \xc3\xa9") && fake_http_has_line(fake, 0, "b: 2"));
    fake_http_stop(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(nothing_is_recorded_without_a_tracer),
        cmocka_unit_test(a_span_continues_the_trace_of_the_log),
        cmocka_unit_test(the_json_is_otlps),
        cmocka_unit_test(a_collector_that_is_down_delays_nobody),
        cmocka_unit_test(what_is_queued_is_sent_at_the_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
