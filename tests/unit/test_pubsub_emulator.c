/* The pure parts of the emulator's Pub/Sub: filters, timers, flow control, settings, messages, field masks.
 * tests/e2e/test_emulator_pubsub.py tests the service over HTTP. */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/api/registry.h"
#include "infra/local/emulator/pubsub/filter.h"
#include "infra/local/emulator/pubsub/message.h"
#include "infra/local/emulator/pubsub/settings.h"
#include "infra/local/emulator/pubsub/timer.h"
#include "infra/local/emulator/pubsub/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static json_t *parse(const char *text)
{
    json_error_t fault;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &fault);
    if (!json)
        fail_msg("%s: %s", text, fault.text);
    return json;
}

static void test_filter_matches(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *attributes; /* NULL: none */
        bool passes;
    } cases[] = {
        {"", NULL, true},
        {"  ", "{\"k\":\"v\"}", true},
        {"attributes:k", "{\"k\":\"\"}", true},
        {"attributes:k", NULL, false},
        {"attributes:\"k k\"", "{\"k k\":\"\"}", true},
        {"attributes.k = \"v\"", "{\"k\":\"v\"}", true},
        {"attributes.k=\"v\"", "{\"k\":\"vv\"}", false},
        {"attributes.k = \"a\\\"b\\\\\"", "{\"k\":\"a\\\"b\\\\\"}", true},
        {"attributes.k != \"v\"", NULL, true},
        {"attributes.k != \"v\"", "{\"k\":\"v\"}", false},
        {"hasPrefix(attributes.k, \"ab\")", "{\"k\":\"abc\"}", true},
        {"hasPrefix( attributes.k , \"ab\" )", "{\"k\":\"a\"}", false},
        {"hasPrefix(attributes.k, \"ab\")", NULL, false},
        {"NOT attributes:k AND attributes:l", "{\"l\":\"1\"}", true},
        {"NOT attributes:k AND attributes:l", "{\"k\":\"1\"}", false},
        {"NOT (attributes:k AND attributes:l)", "{\"k\":\"1\"}", true},
        {"--attributes:k", "{\"k\":\"1\"}", true},
        {"attributes:a OR attributes:b OR attributes:c", "{\"c\":\"1\"}", true},
        {"attributes:a AND (attributes:b OR attributes:c)", "{\"a\":\"1\"}", false},
        {"attributes:OR", "{\"OR\":\"1\"}", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        MR_AUTO(em_filter) struct em_filter *filter = NULL;
        MR_AUTO_JSON json_t *attributes = cases[i].attributes ? parse(cases[i].attributes) : NULL;
        struct mr_err err;
        if (em_filter_compile(cases[i].filter, &filter, &err) != MR_OK)
            fail_msg("%s: %s", cases[i].filter, err.message);
        if (em_filter_matches(filter, attributes) != cases[i].passes)
            fail_msg("%s on %s", cases[i].filter, cases[i].attributes ? cases[i].attributes : "nothing");
    }
}

static void test_filter_refused(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "k",
        "attributes",
        "attributes.",
        "attributes:",
        "attributes.k",
        "attributes.k = v",
        "attributes.k = \"v",
        "attributes.k == \"v\"",
        "attributes.k < \"v\"",
        "attributesX:k",
        "attributes:k attributes:l",
        "attributes:k AND",
        "AND attributes:k",
        "attributes:k and attributes:l",
        "attributes:a AND attributes:b OR attributes:c",
        "(attributes:k",
        "attributes:k)",
        "()",
        "NOT",
        "hasPrefix(attributes.k)",
        "hasPrefix(attributes:k, \"v\")",
        "hasSuffix(attributes.k, \"v\")",
    };
    for (size_t i = 0; i < COUNT(filters); i++) {
        struct em_filter *filter = NULL;
        struct mr_err err;
        if (em_filter_compile(filters[i], &filter, &err) != MR_INVALID)
            fail_msg("'%s' was taken", filters[i]);
        assert_null(filter);
    }
    char deep[400];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    struct em_filter *filter = NULL;
    assert_int_equal(em_filter_compile(deep, &filter, NULL), MR_INVALID);
    deep[200] = '\0';
    assert_int_equal(em_filter_compile(deep, &filter, NULL), MR_INVALID);
}

static void test_timers(void **state)
{
    (void)state;
    enum { N = 500 };
    struct em_timer timers[N] = {0};
    struct em_timers heap = {0};
    for (int i = 0; i < N; i++) {
        assert_int_equal(em_timers_reserve(&heap, NULL), MR_OK);
        em_timers_set(&heap, &timers[i], (i * 7919) % 1000);
    }
    for (int i = 0; i < N; i += 3)
        em_timers_cancel(&heap, &timers[i]);
    for (int i = 1; i < N; i += 3)
        em_timers_set(&heap, &timers[i], (i * 31) % 2000); /* moved */
    em_timers_cancel(&heap, &timers[0]);                   /* not set: no effect */
    int64_t last = -1;
    int count = 0;
    for (struct em_timer *first = NULL; (first = em_timers_first(&heap)) != NULL; count++) {
        assert_true(first->due_us >= last);
        last = first->due_us;
        em_timers_cancel(&heap, first);
        assert_int_equal(first->place, 0);
    }
    assert_int_equal(count, N - (N + 2) / 3);
    em_timers_free(&heap);
}

static void test_window_grows(void **state)
{
    (void)state;
    struct em_push_window window;
    em_push_window_init(&window);
    for (int expected = EM_WINDOW_START; expected < EM_WINDOW_MAX; expected *= 2) {
        assert_int_equal(window.size, expected);
        for (int i = 0; i < expected; i++)
            em_push_window_acked(&window, 999000);
    }
    for (int i = 0; i < 2 * EM_WINDOW_MAX; i++)
        em_push_window_acked(&window, 1000);
    assert_int_equal(window.size, EM_WINDOW_MAX);
}

static void test_window_of_a_slow_endpoint_stays(void **state)
{
    (void)state;
    struct em_push_window window;
    em_push_window_init(&window);
    for (int i = 0; i < 100; i++)
        em_push_window_acked(&window, 1000000);
    assert_int_equal(window.size, EM_WINDOW_START);
}

static void test_nacks(void **state)
{
    (void)state;
    struct em_push_window window;
    em_push_window_init(&window);
    em_push_window_nacked(&window, 0, 5000);
    assert_int_equal(window.size, 2);
    assert_int_equal(window.not_before_us, 5000 + EM_PUSH_BACKOFF_MIN_US);
    for (int i = 0; i < 50; i++) /* pushes that were in progress */
        em_push_window_nacked(&window, 0, 6000);
    assert_int_equal(window.size, 2);
    assert_int_equal(window.backoff_us, EM_PUSH_BACKOFF_MIN_US);
    for (int i = 0; i < 20; i++)
        em_push_window_nacked(&window, window.round, 7000);
    assert_int_equal(window.size, 1);
    assert_int_equal(window.backoff_us, EM_PUSH_BACKOFF_MAX_US);
    assert_int_equal(window.not_before_us, 7000 + EM_PUSH_BACKOFF_MAX_US);
    em_push_window_acked(&window, 1000);
    assert_int_equal(window.backoff_us, EM_PUSH_BACKOFF_MAX_US / 2);
    for (int i = 0; i < 20; i++)
        em_push_window_acked(&window, 1000);
    assert_int_equal(window.backoff_us, 0);
}

static void test_retry_policy_delay(void **state)
{
    (void)state;
    static const struct {
        int64_t min, max, attempt, delay;
    } cases[] = {
        {10, 600, 1, 10}, {10, 600, 2, 20}, {10, 600, 7, 600}, {10, 600, 100000, 600},
        {0, 600, 5, 0},   {0, 0, 1, 0},     {5, 5, 3, 5},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(em_retry_policy_delay(cases[i].min, cases[i].max, cases[i].attempt), cases[i].delay);
}

static void test_settings(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *body =
        parse("{\"topic\":\"projects/p/topics/topic\",\"ackDeadlineSeconds\":\"20\","
              "\"pushConfig\":{\"pushEndpoint\":\"http://x/y\","
              "\"oidcToken\":{\"serviceAccountEmail\":\"a@b\"}},"
              "\"retryPolicy\":{\"minimumBackoff\":\"0.250s\"},"
              "\"deadLetterPolicy\":{\"deadLetterTopic\":\"projects/p/topics/dead\"}}");
    MR_AUTO(em_subscription_settings) struct em_subscription_settings *settings = NULL;
    struct mr_err err;
    assert_int_equal(em_subscription_settings_new("projects/p/subscriptions/sub", body, &settings, &err),
                     MR_OK);
    assert_string_equal(settings->name, "projects/p/subscriptions/sub");
    assert_int_equal(settings->ack_deadline_us, 20000000);
    assert_string_equal(settings->push.oidc_audience, "http://x/y");
    assert_int_equal(settings->min_backoff_us, 250000);
    assert_int_equal(settings->max_backoff_us, 600000000);
    assert_int_equal(settings->max_delivery_attempts, 5);

    MR_AUTO_JSON json_t *change = parse("{\"pushConfig\":{}}");
    MR_AUTO(em_subscription_settings) struct em_subscription_settings *changed = NULL;
    assert_int_equal(em_subscription_settings_patch(settings, change, "push_config", &changed, &err), MR_OK);
    assert_null(changed->push.endpoint);
    assert_string_equal(settings->push.endpoint, "http://x/y"); /* the old settings are unchanged */
    struct em_subscription_settings *none = NULL;
    assert_int_equal(em_subscription_settings_patch(settings, change, "topic", &none, &err), MR_INVALID);
    assert_int_equal(em_subscription_settings_patch(settings, change, "pushConfig,,", &none, &err),
                     MR_INVALID);
    assert_null(none);
}

static void test_messages(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *input = parse("{\"data\":\"_-8\",\"attributes\":{\"k\":\"v\"}}");
    size_t size = 0;
    struct mr_err err;
    assert_int_equal(em_message_check(input, &size, &err), MR_OK);
    assert_int_equal(size, 4);
    MR_AUTO(em_message) struct em_message *message = NULL;
    assert_int_equal(em_message_new(input, 7, INT64_C(1614369235749123), &message, &err), MR_OK);
    MR_AUTO_JSON json_t *expected =
        parse("{\"data\":\"/+8=\",\"attributes\":{\"k\":\"v\"},\"messageId\":\"7\","
              "\"publishTime\":\"2021-02-26T19:53:55.749Z\"}");
    assert_true(json_equal(message->body, expected));

    const struct em_dead_letter_source source = {"projects/p/subscriptions/sub", 6};
    MR_AUTO(em_message) struct em_message *letter = NULL;
    assert_int_equal(em_message_new_dead_letter(message, &source, 8, 0, &letter, &err), MR_OK);
    MR_AUTO_JSON json_t *attributes =
        parse("{\"k\":\"v\",\"CloudPubSubDeadLetterSourceDeliveryCount\":\"6\","
              "\"CloudPubSubDeadLetterSourceSubscription\":\"sub\","
              "\"CloudPubSubDeadLetterSourceSubscriptionProject\":\"p\","
              "\"CloudPubSubDeadLetterSourceTopicPublishTime\":\"2021-02-26T19:53:55.749+00:00\"}");
    assert_true(json_equal(letter->attributes, attributes));
    assert_int_equal(json_object_size(message->attributes), 1); /* the original is unchanged */
}

static void test_durations_and_times(void **state)
{
    (void)state;
    static const struct {
        em_field_reader *read;
        const char *text;
        int64_t us; /* -1: refused */
    } cases[] = {
        {em_read_duration, "\"0s\"", 0},
        {em_read_duration, "\"3.5s\"", 3500000},
        {em_read_duration, "\"0.000000999s\"", 0},
        {em_read_duration, "\"315576000000s\"", INT64_C(315576000000) * 1000000},
        {em_read_duration, "\"315576000001s\"", -1},
        {em_read_duration, "\"99999999999999999999s\"", -1},
        {em_read_duration, "\"-1s\"", -1},
        {em_read_duration, "\"1\"", -1},
        {em_read_duration, "\"1.s\"", -1},
        {em_read_duration, "\"s\"", -1},
        {em_read_duration, "\"1s \"", -1},
        {em_read_duration, "1", -1},
        {em_read_time, "\"1970-01-01T00:00:01Z\"", 1000000},
        {em_read_time, "\"1970-01-01T01:00:01.25+01:00\"", 1250000},
        {em_read_time, "\"1970-01-01T00:00:01\"", -1},
        {em_read_time, "\"1970-01-01\"", -1},
        {em_read_time, "\"1970-01-01T00:00:01+1:00\"", -1},
        {em_read_time, "7", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        MR_AUTO_JSON json_t *value = parse(cases[i].text);
        int64_t us = -1;
        enum mr_status status = cases[i].read(&us, value, "field", NULL);
        if (us != cases[i].us || (status == MR_OK) != (cases[i].us >= 0))
            fail_msg("%s: %lld", cases[i].text, (long long)us);
    }
    char text[EM_DURATION_TEXT_MAX];
    em_duration_format(1500000, text);
    assert_string_equal(text, "1.500s");
    em_duration_format(600000000, text);
    assert_string_equal(text, "600s");
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum mr_status status;
    } cases[] = {
        {"projects/p/topics/abc", MR_OK},
        {"projects/p/topics/a-_.~+%", MR_OK},
        {"projects/p/topics/ab", MR_INVALID},
        {"projects/p/topics/googx", MR_INVALID},
        {"projects/p/topics/a/bc", MR_INVALID},
        {"projects//topics/abc", MR_INVALID},
        {"projects/p/subscriptions/a", MR_INVALID},
        {"topics/abc", MR_INVALID},
        {"", MR_INVALID},
        {"projects/p/topics", MR_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (em_resource_name_check(cases[i].name, "topics", NULL) != cases[i].status)
            fail_msg("%s", cases[i].name);
}

static void test_registry(void **state)
{
    (void)state;
    static const char *const names[] = {"m", "c", "z", "a"};
    struct em_registry registry = {0};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(em_registry_add(&registry, names[i], (void *)(uintptr_t)names[i], NULL), MR_OK);
    assert_ptr_equal(em_registry_find(&registry, "c"), names[1]);
    assert_null(em_registry_find(&registry, "b"));
    assert_int_equal(em_registry_after(&registry, "b"), 1);
    assert_int_equal(em_registry_after(&registry, "c"), 2);
    em_registry_remove(&registry, "c");
    em_registry_remove(&registry, "nothing");
    assert_int_equal(registry.count, 3);
    assert_int_equal(em_registry_after(&registry, ""), 0);
    em_registry_free(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter_matches),
        cmocka_unit_test(test_filter_refused),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_window_grows),
        cmocka_unit_test(test_window_of_a_slow_endpoint_stays),
        cmocka_unit_test(test_nacks),
        cmocka_unit_test(test_retry_policy_delay),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_durations_and_times),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
