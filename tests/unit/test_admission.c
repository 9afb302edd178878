/* The group commit: every submit gets its own task, one bad row fails alone, and a Pub/Sub that is down costs
 * nothing. */
#include "shared/base/clock.h"
#include "shared/base/random.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/fixture_db.h"
#include "tests/unit/relay.h"
#include "web/admission.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 24 };

static struct mr_http_client *http;
static struct fake_http *fake;
static struct mr_pubsub *pubsub;
static struct mr_publisher publisher;
static struct mr_log quiet;
static struct mr_quotas quotas;

static int setup(void **state)
{
    struct mr_err err = {0};
    fixture_db_setup_users(state);
    quiet = mr_log_init("test", MR_LOG_CRITICAL);
    for (int i = 0; i < MR_QUOTA_COUNT; i++)
        quotas.limits[i] = 1000000;
    fake = fake_http_start();
    if (mr_http_client_new("test", &http, &err) != MR_OK)
        return -1;
    struct mr_pubsub_options options = {.emulator_host = fake_http_url(fake) + strlen("http://"),
                                        .project = "p"};
    if (mr_pubsub_new(http, &options, &pubsub, &err) != MR_OK)
        return -1;
    publisher = (struct mr_publisher){.pubsub = pubsub, .topics = {"topic", "topic-high", "deliveries"}};
    return 0;
}

static int teardown(void **state)
{
    mr_pubsub_free(pubsub);
    mr_http_client_free(http);
    fake_http_stop(fake);
    return fixture_db_teardown(state);
}

struct submit {
    struct mr_admission *admission;
    struct mr_task_draft draft;
    json_t *view;
    enum mr_status status;
    struct mr_err err;
};

static void *submit(void *arg)
{
    struct submit *s = arg;
    s->status = mr_admission_submit(s->admission, &s->draft, &s->view, &s->err);
    return NULL;
}

static void prepare(struct submit *s, struct mr_admission *admission, int64_t user)
{
    struct mr_err err = {0};
    *s = (struct submit){.admission = admission,
                         .draft = {.user_id = user,
                                   .kind = "convert",
                                   .priority = "normal",
                                   .new_format = "mp3",
                                   .original_file = "a.wav",
                                   .original_format = "wav",
                                   .original_size = 1,
                                   .input_object = "inputs/a",
                                   .input_generation = 1}};
    assert_int_equal(mr_uuid_generate(s->draft.file_id, &err), MR_OK);
}

static void run_all(struct submit *submits, size_t count)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit, &submits[i]), 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void every_thread_gets_its_own_task(void **state)
{
    (void)state;
    static const struct fake_step refused[] = {
        {.status = 403, .body = "{}"}}; /* publishing is the next test's */
    struct mr_admission *admission = NULL;
    struct mr_err err = {0};
    struct submit submits[THREADS];
    fake_http_script(fake, refused, 1, true);
    assert_int_equal(mr_admission_start(test_db, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
    for (size_t i = 0; i < THREADS; i++)
        prepare(&submits[i], admission, i == 5 ? 424242 : test_owner); /* one of them belongs to nobody */
    run_all(submits, THREADS);
    mr_admission_stop(admission);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(submits[i].status, i == 5 ? MR_UNAUTHENTICATED : MR_OK);
        if (i == 5)
            continue;
        const char *file_id = json_string_value(json_object_get(submits[i].view, "file_id"));
        assert_string_equal(file_id, submits[i].draft.file_id);
        json_decref(submits[i].view);
    }
    MR_AUTO_STR char *count = fixture_db_ask(test_db, "SELECT count(*) AS answer FROM tasks");
    char expected[16];
    snprintf(expected, sizeof expected, "%d", THREADS - 1);
    assert_string_equal(count, expected);
}

/* True if the outbox owes no message for the task any more. */
static bool is_published(const char *file_id)
{
    static const struct mr_statement look = {
        "is_published",
        "SELECT FROM tasks t WHERE published_at IS NOT NULL AND file_id = $1::uuid"
        " AND NOT EXISTS (SELECT FROM outbox_batches WHERE t.id = ANY (tasks))",
        1};
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, &look, &file_id, &rows, &err), MR_OK);
    return mr_rows_count(rows) == 1;
}

static bool is_inserted(const char *file_id)
{
    static const struct mr_statement look = {"is_inserted", "SELECT FROM tasks WHERE file_id = $1::uuid", 1};
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, &look, &file_id, &rows, &err), MR_OK);
    return mr_rows_count(rows) == 1;
}

static void submit_one(struct mr_db *where, struct submit *one)
{
    struct mr_admission *admission = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_admission_start(where, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
    prepare(one, admission, test_owner);
    run_all(one, 1);
    mr_admission_stop(admission);
}

static void what_was_published_is_marked(void **state)
{
    (void)state;
    static const struct fake_step ok[] = {{.status = 200, .body = "{\"messageIds\":[\"1\"]}"}};
    struct submit one;
    FAKE_SCRIPT(fake, ok);
    submit_one(test_db, &one);
    assert_int_equal(one.status, MR_OK);
    json_decref(one.view);
    assert_int_equal(fake_http_count(fake), 1);
    assert_true(is_published(one.draft.file_id));
}

static void a_pubsub_that_is_down_leaves_it_to_the_outbox(void **state)
{
    (void)state;
    static const struct fake_step down[] = {{.status = 503, .body = "down"}};
    struct submit one;
    fake_http_script(fake, down, 1, true);
    submit_one(test_db, &one);
    assert_int_equal(one.status, MR_OK);
    json_decref(one.view);
    assert_false(is_published(one.draft.file_id));
}

static void each_priority_has_its_topic(void **state)
{
    (void)state;
    static const struct fake_step ok[] = {{.status = 200, .body = "{\"messageIds\":[\"1\"]}"}};
    static const char *const topics[] = {"POST /v1/projects/p/topics/topic:publish HTTP/1.1",
                                         "POST /v1/projects/p/topics/topic-high:publish HTTP/1.1"};
    for (int high = 0; high < 2; high++) {
        struct mr_admission *admission = NULL;
        struct mr_err err = {0};
        struct submit one;
        FAKE_SCRIPT(fake, ok);
        assert_int_equal(mr_admission_start(test_db, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
        prepare(&one, admission, test_owner);
        one.draft.priority = high ? "high" : "normal";
        snprintf(one.draft.traceparent, sizeof one.draft.traceparent,
                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        run_all(&one, 1);
        mr_admission_stop(admission);
        assert_int_equal(one.status, MR_OK);
        json_decref(one.view);
        assert_true(fake_http_has_line(fake, 0, topics[high]));
        size_t len = 0;
        const char *body = fake_http_body(fake, 0, &len);
        assert_non_null(strstr(body, high ? "\"priority\":\"high\"" : "\"priority\":\"normal\""));
        assert_non_null(strstr(body, one.draft.traceparent));
    }
}

/* The first request holds the publisher, whose Pub/Sub says nothing, the second the committer, so that the two others are
 * one batch. */
static void a_lane_that_fails_keeps_no_other_waiting(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{.status = 0},
                                             {.status = 200, .body = "{\"messageIds\":[\"1\"]}"},
                                             {.status = 403, .body = "{}"},
                                             {.status = 200, .body = "{\"messageIds\":[\"1\"]}"}};
    struct mr_admission *admission = NULL;
    struct mr_err err = {0};
    struct submit submits[4];
    pthread_t threads[4];
    FAKE_SCRIPT(fake, steps);
    assert_int_equal(mr_admission_start(test_db, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
    for (int i = 0; i < 4; i++) {
        prepare(&submits[i], admission, test_owner);
        submits[i].draft.priority = i == 3 ? "high" : "normal";
        assert_int_equal(pthread_create(&threads[i], NULL, submit, &submits[i]), 0);
        for (int tries = 0; fake_http_count(fake) == 0 && tries < 2000; tries++)
            poll(NULL, 0, 5);
        for (int tries = 0; i == 1 && !is_inserted(submits[1].draft.file_id) && tries < 2000; tries++)
            poll(NULL, 0, 5);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(submits[i].status, MR_OK);
        json_decref(submits[i].view);
    }
    mr_admission_stop(admission);
    assert_true(fake_http_has_line(fake, 2, "POST /v1/projects/p/topics/topic:publish HTTP/1.1"));
    assert_true(fake_http_has_line(fake, 3, "POST /v1/projects/p/topics/topic-high:publish HTTP/1.1"));
    assert_false(is_published(submits[0].draft.file_id));
    assert_true(is_published(submits[1].draft.file_id));
    assert_false(is_published(submits[2].draft.file_id));
    assert_true(is_published(submits[3].draft.file_id));
}

static void one_key_at_once_makes_one_task(void **state)
{
    (void)state;
    static const struct fake_step refused[] = {{.status = 403, .body = "{}"}};
    struct mr_admission *admission = NULL;
    struct mr_err err = {0};
    struct submit submits[THREADS];
    fake_http_script(fake, refused, 1, true);
    assert_int_equal(mr_admission_start(test_db, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        prepare(&submits[i], admission, test_owner);
        submits[i].draft.idempotency_key = "one";
        submits[i].draft.request_hash = i == 3 ? "other" : "same";
    }
    run_all(submits, THREADS);
    mr_admission_stop(admission);
    const char *file_id = NULL;
    size_t made = 0, refused_count = 0;
    for (size_t i = 0; i < THREADS; i++) {
        if (submits[i].status != MR_OK) {
            assert_string_equal(mr_code_name(submits[i].err.code), "idempotency_key_reused");
            refused_count++;
            continue;
        }
        const char *got = json_string_value(json_object_get(submits[i].view, "file_id"));
        assert_string_equal(got, file_id ? file_id : got);
        made += strcmp(got, submits[i].draft.file_id) == 0;
        file_id = got;
    }
    assert_int_equal(made, 1);
    assert_true(refused_count == 1 || refused_count == THREADS - 1); /* the odd one may have been first */
    for (size_t i = 0; i < THREADS; i++)
        if (submits[i].status == MR_OK)
            json_decref(submits[i].view);
}

static void a_database_that_is_down_is_told_to_all(void **state)
{
    (void)state;
    struct mr_db *nowhere = NULL;
    struct mr_admission *admission = NULL;
    struct mr_err err = {0};
    struct submit two[2];
    assert_int_equal(mr_db_open("host=/nonexistent dbname=x user=x", 1, &nowhere, &err), MR_OK);
    assert_int_equal(mr_admission_start(nowhere, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
    for (int i = 0; i < 2; i++)
        prepare(&two[i], admission, test_owner);
    run_all(two, 2);
    mr_admission_stop(admission);
    mr_db_close(nowhere);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(two[i].status, MR_UNAVAILABLE);
        assert_int_equal(two[i].err.status, MR_UNAVAILABLE);
    }
}

/* The requests of the batch get their answer, and the committer goes on with a new connection. */
static void a_database_that_says_nothing_is_given_up(void **state)
{
    (void)state;
    static const struct fake_step ok[] = {{.status = 200, .body = "{\"messageIds\":[\"1\"]}"}};
    struct relay *relay = relay_start();
    MR_AUTO_STR char *conninfo = relay_conninfo(relay, test_conninfo);
    struct mr_db *silent = NULL;
    struct mr_admission *admission = NULL;
    struct mr_err err = {0};
    struct submit submits[3];
    fake_http_script(fake, ok, 1, true);
    assert_int_equal(mr_db_open(conninfo, 2, &silent, &err), MR_OK);
    assert_int_equal(mr_admission_start(silent, &publisher, &quotas, &quiet, &admission, &err), MR_OK);
    for (int i = 0; i < 3; i++)
        prepare(&submits[i], admission, test_owner);
    run_all(submits, 1);
    assert_int_equal(submits[0].status, MR_OK);
    json_decref(submits[0].view);
    for (int tries = 0; !is_published(submits[0].draft.file_id) && tries < 2000; tries++)
        poll(NULL, 0, 5);
    int64_t began_us = 0;
    /* The answer to the mark may be under way: then that call is the silent one, and the next gets a new connection. */
    for (int tries = 0; submits[1].status != MR_UNAVAILABLE && tries < 5; tries++) {
        prepare(&submits[1], admission, test_owner);
        relay_forget(relay);
        began_us = mr_time_monotonic_us();
        run_all(submits + 1, 1);
        json_decref(submits[1].view);
    }
    assert_int_equal(submits[1].status, MR_UNAVAILABLE);
    assert_in_range(mr_time_monotonic_us() - began_us, 0, 2 * MR_TASKS_INSERT_MS * INT64_C(1000));
    run_all(submits + 2, 1);
    assert_int_equal(submits[2].status, MR_OK);
    json_decref(submits[2].view);
    mr_admission_stop(admission);
    mr_db_close(silent);
    relay_stop(relay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_gets_its_own_task),
        cmocka_unit_test(what_was_published_is_marked),
        cmocka_unit_test(a_pubsub_that_is_down_leaves_it_to_the_outbox),
        cmocka_unit_test(each_priority_has_its_topic),
        cmocka_unit_test(a_lane_that_fails_keeps_no_other_waiting),
        cmocka_unit_test(one_key_at_once_makes_one_task),
        cmocka_unit_test(a_database_that_is_down_is_told_to_all),
        cmocka_unit_test(a_database_that_says_nothing_is_given_up),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
