/* The task message and the push envelope: what is accepted, and what each fault is called. */
#include "shared/data/message.h"
#include "shared/data/publisher.h"
#include "shared/gcp/push.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_message_comes_back(void **state)
{
    (void)state;
    const struct mr_message sent = {.kind = "insert_records", .task_id = INT64_MAX, .generation = 7};
    struct mr_message got = {0};
    struct mr_err err = {0};
    MR_AUTO_STR char *text = NULL;
    assert_int_equal(mr_message_encode(&sent, &text, &err), MR_OK);
    assert_int_equal(mr_message_decode(text, strlen(text), &got, &err), MR_OK);
    assert_string_equal(got.kind, sent.kind);
    assert_int_equal(got.task_id, sent.task_id);
    assert_int_equal(got.generation, 7);
    assert_null(strstr(text, "\"id\""));
}

static void a_message_without_a_task_has_an_id(void **state)
{
    (void)state;
    const struct mr_message sent = {.kind = MR_KIND_DELIVER, .id = 99, .high = true, .traceparent = "00-x"};
    struct mr_message got = {0};
    struct mr_err err = {0};
    MR_AUTO_STR char *text = NULL;
    assert_int_equal(mr_message_encode(&sent, &text, &err), MR_OK);
    assert_int_equal(mr_message_decode(text, strlen(text), &got, &err), MR_OK);
    assert_int_equal(got.id, 99);
    assert_int_equal(got.task_id, 0);
    assert_false(got.high); /* lane and trace are the attributes' */
    assert_string_equal(got.traceparent, "");
}

static void each_message_has_its_lane(void **state)
{
    (void)state;
    static const struct {
        struct mr_message message;
        enum mr_lane lane;
    } table[] = {
        {{.kind = MR_KIND_CONVERT}, MR_LANE_NORMAL},
        {{.kind = MR_KIND_INSERT_RECORDS}, MR_LANE_NORMAL},
        {{.kind = MR_KIND_CONVERT, .high = true}, MR_LANE_HIGH},
        {{.kind = MR_KIND_PING}, MR_LANE_HIGH},
        {{.kind = MR_KIND_DELIVER}, MR_LANE_DELIVERIES},
        {{.kind = MR_KIND_DELIVER, .high = true}, MR_LANE_DELIVERIES},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(mr_lane_of(&table[i].message), table[i].lane);
}

static void messages_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mr_status status;
    } table[] = {
        {"{\"v\":1,\"kind\":\"convert\",\"task_id\":42,\"generation\":1}", MR_OK},
        {"{\"v\":1,\"kind\":\"ping\"}", MR_OK},
        {"{\"v\":1,\"kind\":\"convert\",\"task_id\":42,\"generation\":1,\"new\":true}", MR_OK},
        {"{\"v\":2,\"kind\":\"convert\",\"task_id\":42,\"generation\":1}", MR_UNSUPPORTED},
        {"{\"kind\":\"convert\"}", MR_UNSUPPORTED},
        {"", MR_INVALID},
        {"null", MR_INVALID},
        {"[1]", MR_INVALID},
        {"{\"v\":1", MR_INVALID},
        {"{\"v\":1}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"\"}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"DROP TABLE\"}", MR_INVALID},
        {"{\"v\":1,\"kind\":7}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"abcdefghijklmnopqrstuvwxyzabcdefghijkl\"}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"convert\",\"task_id\":-1}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"convert\",\"task_id\":\"42\"}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"convert\",\"task_id\":1.5}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"deliver\",\"id\":7}", MR_OK},
        {"{\"v\":1,\"kind\":\"deliver\",\"id\":-7}", MR_INVALID},
        {"{\"v\":1,\"kind\":\"deliver\",\"id\":\"7\"}", MR_INVALID},
        {"{\"v\":1,\"v\":1,\"kind\":\"convert\"}", MR_INVALID},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_message got = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_message_decode(table[i].text, strlen(table[i].text), &got, &err);
        if (status != table[i].status)
            fail_msg("%s: %s", table[i].text, mr_status_name(status));
        if (status != MR_OK)
            assert_int_equal(got.task_id, 0);
    }
}

static void envelopes_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text, *data; /* data is NULL for what is no envelope */
    } table[] = {
        {"{\"message\":{\"data\":\"aGVsbG8=\",\"messageId\":\"1\",\"attributes\":{\"k\":\"v\"}},"
         "\"subscription\":\"s\"}",
         "hello"},
        {"{\"message\":{\"message_id\":\"1\"}}", ""},
        {"{\"message\":{\"message_id\":\"1\",\"data\":\"\"}}", ""},
        {"{\"deliveryAttempt\":3,\"message\":{\"messageId\":\"1\",\"data\":\"aGVsbG8\"}}", "hello"},
        {"{}", NULL},
        {"{\"message\":7}", NULL},
        {"{\"message\":{}}", NULL},
        {"{\"message\":{\"messageId\":1}}", NULL},
        {"{\"message\":{\"messageId\":\"1\",\"data\":7}}", NULL},
        {"{\"message\":{\"messageId\":\"1\",\"data\":\"!!!\"}}", NULL},
        {"{\"message\":{\"messageId\":\"1\",\"attributes\":[]}}", NULL},
        {"{\"message\":{\"messageId\":\"1\",\"attributes\":{\"k\":1}}}", NULL},
        {"{\"data\":\"aGVsbG8=\",\"messageId\":\"1\"}", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO_JSON json_t *envelope = json_loads(table[i].text, 0, NULL);
        MR_AUTO(mr_push) struct mr_push push = {0};
        struct mr_err err = {0};
        assert_non_null(envelope);
        enum mr_status status = mr_push_parse(envelope, &push, &err);
        if ((status == MR_OK) != (table[i].data != NULL))
            fail_msg("%s: %s", table[i].text, mr_status_name(status));
        if (status == MR_OK)
            assert_string_equal(push.data, table[i].data);
        else
            assert_string_equal(mr_code_name(err.code), "not_an_envelope");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back),      cmocka_unit_test(a_message_without_a_task_has_an_id),
        cmocka_unit_test(each_message_has_its_lane), cmocka_unit_test(messages_are_judged),
        cmocka_unit_test(envelopes_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
