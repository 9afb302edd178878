/* shared/gcp/pubsub against a scripted Pub/Sub: requests, batches, retries and the time they may take. */
#include "shared/base/clock.h"
#include "shared/gcp/pubsub.h"
#include "tests/unit/fake_http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct mr_http_client *http;
    struct fake_http *fake;
    struct mr_pubsub *pubsub;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mr_err err;
    assert_int_equal(mr_http_client_new("mediarun-test/1", &f->http, &err), MR_OK);
    f->fake = fake_http_start();
    char host[64];
    snprintf(host, sizeof host, "127.0.0.1:%d", fake_http_port(f->fake));
    struct mr_pubsub_options options = {.emulator_host = host, .project = "p"};
    assert_int_equal(mr_pubsub_new(f->http, &options, &f->pubsub, &err), MR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mr_pubsub_free(f->pubsub);
    mr_http_client_free(f->http);
    fake_http_stop(f->fake);
    free(f);
    return 0;
}

/* {"messageIds":[…]} with count ids. */
static char *ids(size_t count)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string("1"));
    MR_AUTO_JSON json_t *answer = json_pack("{s:O}", "messageIds", list);
    return json_dumps(answer, JSON_COMPACT);
}

static void publishes(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .body = "{\"messageIds\":[\"1\",\"2\"]}"}};
    static const char *const attributes[] = {"kind", "convert", "note", "\xc3\xa4\"", NULL};
    static const struct mr_pubsub_message messages[] = {{"{\"v\":1}", attributes}, {"", NULL}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    struct mr_err err = {0};
    assert_int_equal(mr_pubsub_publish(f->pubsub, "tasks-high", messages, 2, 5000, &err), MR_OK);
    assert_true(fake_http_has_line(f->fake, 0, "POST /v1/projects/p/topics/tasks-high:publish HTTP/1.1"));
    assert_true(fake_http_has_line(f->fake, 0, "Content-Type: application/json"));
    assert_null(strstr(fake_http_head(f->fake, 0), "Authorization"));
    MR_AUTO_JSON json_t *sent = json_loads(fake_http_body(f->fake, 0, NULL), 0, NULL);
    MR_AUTO_JSON json_t *expected =
        json_pack("{s:[{s:s,s:{s:s,s:s}},{s:s,s:{}}]}", "messages", "data", "eyJ2IjoxfQ==", "attributes",
                  "kind", "convert", "note", "\xc3\xa4\"", "data", "", "attributes");
    assert_true(json_equal(sent, expected));
}

static void publishes_nothing(void **state)
{
    struct fixture *f = *state;
    fake_http_script(f->fake, NULL, 0, false);
    struct mr_err err = {0};
    assert_int_equal(mr_pubsub_publish(f->pubsub, "t", NULL, 0, 1000, &err), MR_OK);
    assert_int_equal(fake_http_count(f->fake), 0);
}

static void repeats_what_may_be_repeated(void **state)
{
    static const char ok[] = "{\"messageIds\":[\"1\"]}";
    static const struct {
        const char *name;
        struct fake_step steps[3];
        size_t count;
        enum mr_status expected;
    } cases[] = {
        {"503, 429, 200", {{.status = 503}, {.status = 429}, {.status = 200, .body = ok}}, 3, MR_OK},
        {"reset", {{.end = FAKE_RESET}, {.status = 200, .body = ok}}, 2, MR_OK},
        {"answer cut off",
         {{.status = 200, .body = "{", .announced = 9, .end = FAKE_CLOSE}, {.status = 200, .body = ok}},
         2,
         MR_OK},
        {"ABORTED",
         {{.status = 409, .body = "{\"error\":{\"code\":409,\"status\":\"ABORTED\"}}"},
          {.status = 200, .body = ok}},
         2,
         MR_OK},
        {"CANCELLED",
         {{.status = 499, .body = "{\"error\":{\"code\":499,\"status\":\"CANCELLED\"}}"},
          {.status = 200, .body = ok}},
         2,
         MR_OK},
        {"ids missing", {{.status = 200, .body = "{}"}, {.status = 200, .body = ok}}, 2, MR_OK},
        {"no such topic",
         {{.status = 404, .body = "{\"error\":{\"code\":404,\"message\":\"m\",\"status\":\"NOT_FOUND\"}}"}},
         1,
         MR_UNAVAILABLE},
        {"invalid", {{.status = 400, .body = "no JSON"}}, 1, MR_UNAVAILABLE},
        {"denied", {{.status = 403}}, 1, MR_UNAVAILABLE},
    };
    static const struct mr_pubsub_message message = {"x", NULL};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, cases[i].steps, cases[i].count, false);
        struct mr_err err = {0};
        enum mr_status status = mr_pubsub_publish(f->pubsub, "t", &message, 1, 10000, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(fake_http_count(f->fake), cases[i].count);
    }
}

static void stops_in_time(void **state)
{
    static const struct fake_step busy[] = {{.status = 503}};
    static const struct fake_step silent[] = {{.status = 0}};
    static const struct {
        const struct fake_step *steps;
        enum mr_status expected;
    } cases[] = {{busy, MR_UNAVAILABLE}, {silent, MR_TIMEOUT}};
    static const struct mr_pubsub_message message = {"x", NULL};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, cases[i].steps, 1, true);
        struct mr_err err = {0};
        int64_t begun = mr_time_monotonic_us();
        assert_int_equal(mr_pubsub_publish(f->pubsub, "t", &message, 1, 400, &err), cases[i].expected);
        assert_true(mr_time_monotonic_us() - begun < 3000000);
    }
}

static void fails_when_nobody_listens(void **state)
{
    struct fixture *f = *state;
    char host[64];
    snprintf(host, sizeof host, "127.0.0.1:%d", fake_closed_port());
    struct mr_pubsub_options options = {.emulator_host = host, .project = "p"};
    MR_AUTO(mr_pubsub) struct mr_pubsub *pubsub = NULL;
    struct mr_err err = {0};
    struct mr_pubsub_message message = {"x", NULL};
    assert_int_equal(mr_pubsub_new(f->http, &options, &pubsub, &err), MR_OK);
    assert_int_equal(mr_pubsub_publish(pubsub, "t", &message, 1, 200, &err), MR_UNAVAILABLE);
}

static void splits_by_count(void **state)
{
    struct fixture *f = *state;
    MR_AUTO_STR char *thousand = ids(1000);
    MR_AUTO_STR char *rest = ids(500);
    struct fake_step steps[] = {
        {.status = 200, .body = thousand}, {.status = 200, .body = thousand}, {.status = 200, .body = rest}};
    FAKE_SCRIPT(f->fake, steps);
    struct mr_pubsub_message *messages = calloc(2500, sizeof *messages);
    for (size_t i = 0; i < 2500; i++)
        messages[i].data = "x";
    struct mr_err err = {0};
    assert_int_equal(mr_pubsub_publish(f->pubsub, "t", messages, 2500, 60000, &err), MR_OK);
    assert_int_equal(fake_http_count(f->fake), 3);
    free(messages);
}

static void splits_by_size(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {{.status = 200, .body = "{\"messageIds\":[\"1\",\"2\"]}"},
                                             {.status = 200, .body = "{\"messageIds\":[\"3\"]}"}};
    size_t len = 3000000; /* 4 MB of base64 each: two fit into 9 MB */
    MR_AUTO_STR char *big = malloc(len + 1);
    memset(big, 'x', len);
    big[len] = '\0';
    struct mr_pubsub_message messages[] = {{big, NULL}, {big, NULL}, {big, NULL}};
    struct mr_err err = {0};
    FAKE_SCRIPT(f->fake, steps);
    assert_int_equal(mr_pubsub_publish(f->pubsub, "t", messages, 3, 60000, &err), MR_OK);
    for (size_t i = 0; i < 2; i++) {
        size_t body_len = 0;
        fake_http_body(f->fake, i, &body_len);
        assert_true(body_len <= 9000000);
    }
}

static void refuses_what_cannot_be_sent(void **state)
{
    struct fixture *f = *state;
    fake_http_script(f->fake, NULL, 0, false);
    size_t len = 7000000;
    MR_AUTO_STR char *huge = malloc(len + 1);
    memset(huge, 'x', len);
    huge[len] = '\0';
    static const char *const broken[] = {"key", "\xff", NULL};
    const struct {
        struct mr_pubsub_message message;
        enum mr_status expected;
    } cases[] = {{{huge, NULL}, MR_TOO_LARGE}, {{"x", broken}, MR_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        assert_int_equal(mr_pubsub_publish(f->pubsub, "t", &cases[i].message, 1, 1000, &err),
                         cases[i].expected);
    }
    assert_int_equal(fake_http_count(f->fake), 0);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(publishes),
        WITH_SERVER(publishes_nothing),
        WITH_SERVER(repeats_what_may_be_repeated),
        WITH_SERVER(stops_in_time),
        WITH_SERVER(fails_when_nobody_listens),
        WITH_SERVER(splits_by_count),
        WITH_SERVER(splits_by_size),
        WITH_SERVER(refuses_what_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
