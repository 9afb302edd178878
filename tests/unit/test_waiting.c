/* What pushes that wait learn of their tasks, against a real PostgreSQL. */
#include "shared/base/clock.h"
#include "shared/data/outbox.h"
#include "shared/data/waiting.h"
#include "tests/unit/fixture_tasks.h"
#include "worker/others.h"

#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 300 };

static int64_t new_task(int64_t user, bool high)
{
    struct mr_task_draft draft = task_draft(user);
    draft.priority = high ? "high" : "normal";
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    return json_integer_value(json_object_get(view, "id"));
}

static struct mr_waiting look_at(int64_t id, int64_t generation)
{
    struct mr_waiting task = {.task_id = id, .generation = generation, .user = -1};
    struct mr_err err;
    assert_int_equal(mr_waiting_look(test_db, &task, 1, &err), MR_OK);
    return task;
}

static void assert_look(int64_t id, int64_t generation, enum mr_waiting_state state, int64_t user)
{
    struct mr_waiting task = look_at(id, generation);
    assert_int_equal(task.state, state);
    assert_int_equal(task.user, user);
}

static void a_look_tells_what_a_claim_would_find(void **state)
{
    (void)state;
    int64_t id = new_task(test_owner, false);
    MR_AUTO(mr_claim) struct mr_claim claim = {0}, second = {0};
    assert_look(id, 1, MR_WAITING_READY, test_owner);
    assert_look(id, 2, MR_WAITING_STALE, 0);
    assert_look(id, INT64_MAX, MR_WAITING_STALE, 0);
    assert_look(987654321, 1, MR_WAITING_STALE, 0);
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_look(id, 1, MR_WAITING_ELSEWHERE, test_owner);
    task_expire_lease(id);
    assert_look(id, 1, MR_WAITING_READY, test_owner);
    assert_int_equal(task_claim(id, 1, &second), MR_CLAIM_OURS);
    assert_true(task_commit(&second, "results/looked-at"));
    assert_look(id, 1, MR_WAITING_STALE, test_owner);
}

static void many_are_looked_at_in_their_order(void **state)
{
    (void)state;
    static struct mr_waiting tasks[MANY];
    struct mr_err err;
    int64_t mine = new_task(test_owner, false), other = new_task(test_other, true);
    for (int i = 0; i < MANY; i++) /* one task may be there several times */
        tasks[i] = (struct mr_waiting){.task_id = i % 3 == 0 ? mine : other, .generation = 1 + i % 2};
    assert_int_equal(mr_waiting_look(test_db, tasks, MANY, &err), MR_OK);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(tasks[i].state, i % 2 ? MR_WAITING_STALE : MR_WAITING_READY);
        assert_int_equal(tasks[i].user, i % 2 ? 0 : i % 3 == 0 ? test_owner : test_other);
    }
    assert_int_equal(mr_waiting_look(test_db, tasks, 0, &err), MR_OK);
}

static void assert_others(int64_t user, bool high, bool expected)
{
    struct mr_err err;
    bool others = !expected;
    assert_int_equal(mr_waiting_has_others(test_db, user, high, &others, &err), MR_OK);
    assert_int_equal(others, expected);
}

static void others_are_seen_by_priority(void **state)
{
    (void)state;
    run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
    assert_others(test_owner, false, false);
    (void)new_task(test_owner, false);
    (void)new_task(test_owner, true);
    assert_others(test_owner, false, false);
    assert_others(test_other, false, true);
    int64_t id = new_task(test_other, true);
    assert_others(test_owner, true, true);
    assert_others(test_owner, false, false);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_others(test_owner, true, false);
}

static bool others_wait(struct mr_others *others, int64_t user)
{
    struct mr_err err;
    bool wait = false;
    assert_int_equal(mr_others_wait(others, test_db, user, false, &wait, &err), MR_OK);
    return wait;
}

/* For each user by itself, and not for long; also when more users ask than are known. */
static void the_answer_about_others_is_kept_for_a_moment(void **state)
{
    (void)state;
    struct mr_others others;
    mr_others_init(&others);
    run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
    (void)new_task(test_owner, false);
    assert_false(others_wait(&others, test_owner));
    assert_true(others_wait(&others, test_other));
    (void)new_task(test_other, false);
    const int64_t deadline_us = mr_time_monotonic_us() + 10000000;
    while (!others_wait(&others, test_owner)) {
        assert_true(mr_time_monotonic_us() < deadline_us);
        sched_yield();
    }
    for (int64_t user = 1000000; user < 1000000 + 2 * MR_OTHERS_KNOWN; user++)
        assert_true(others_wait(&others, user));
    mr_others_destroy(&others);
}

static size_t due_count(void)
{
    struct mr_message due[10];
    struct mr_err err;
    size_t count = 0;
    assert_int_equal(mr_outbox_due(test_db, false, 600, due, 10, &count, &err), MR_OK);
    return count;
}

static size_t recall_count(void)
{
    struct mr_message recalled[10];
    struct mr_err err;
    size_t count = 0;
    assert_int_equal(mr_waiting_recall(test_db, false, recalled, 10, &count, &err), MR_OK);
    return count;
}

/* Also if it is noted only then that the message was published to which the task was put off. */
static void a_task_that_is_put_off_is_published_again(void **state)
{
    (void)state;
    struct mr_err err;
    bool done = true;
    run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
    const struct mr_message message = {.kind = MR_KIND_CONVERT,
                                       .task_id = new_task(test_owner, false),
                                       .generation = 1},
                            stale = {.kind = MR_KIND_CONVERT, .task_id = message.task_id, .generation = 2};
    run_sql(
        "UPDATE tasks SET published_at = now(), uploaded_at = now() - interval '10 s' RETURNING 1 AS answer");
    assert_int_equal(mr_waiting_put_off(test_db, &stale, &done, &err), MR_OK);
    assert_false(done);
    assert_int_equal(recall_count(), 0);
    assert_int_equal(mr_waiting_put_off(test_db, &message, &done, &err), MR_OK);
    assert_true(done);
    assert_int_equal(due_count(), 0);
    assert_int_equal(mr_outbox_mark(test_db, &message, 1, &err), MR_OK);
    assert_int_equal(recall_count(), 1);
    assert_int_equal(recall_count(), 0);
    assert_answer("0", "SELECT attempts FROM tasks WHERE status = ", "uploaded");
}

/* Each one once, by priority; those that were never published are left to the sweep. */
static void what_was_put_off_is_recalled_once(void **state)
{
    (void)state;
    struct mr_message recalled[10];
    struct mr_err err;
    size_t count = 0;
    run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
    for (int i = 0; i < 5; i++)
        (void)new_task(test_owner, i == 4);
    assert_int_equal(mr_waiting_recall(test_db, false, recalled, 10, &count, &err), MR_OK);
    assert_int_equal(count, 0);
    run_sql("WITH put AS (UPDATE tasks SET published_at = timestamptz 'epoch'"
            " WHERE id > (SELECT min(id) FROM tasks) RETURNING id) SELECT count(*) / 4 AS answer FROM put");
    assert_int_equal(mr_waiting_recall(test_db, false, recalled, 2, &count, &err), MR_OK);
    assert_int_equal(count, 2);
    assert_false(recalled[0].high);
    int64_t first = recalled[0].task_id, second = recalled[1].task_id;
    assert_int_equal(mr_waiting_recall(test_db, false, recalled, 10, &count, &err), MR_OK);
    assert_int_equal(count, 1);
    assert_true(recalled[0].task_id != first && recalled[0].task_id != second);
    bool done = false;
    assert_int_equal(mr_waiting_put_off(test_db, &recalled[0], &done, &err), MR_OK);
    assert_true(done);
    assert_int_equal(mr_waiting_recall(test_db, true, recalled, 10, &count, &err), MR_OK);
    assert_int_equal(count, 1);
    assert_true(recalled[0].high);
    assert_int_equal(recall_count(), 1); /* what was put off once more */
}

/* Of 30 tasks of one user and three of another, the oldest of both, in turn. */
static void the_oldest_of_each_user_are_recalled(void **state)
{
    (void)state;
    struct mr_message recalled[10];
    struct mr_err err;
    size_t count = 0;
    int64_t mine[30], others[3];
    run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
    for (int i = 0; i < 30; i++)
        mine[i] = new_task(test_owner, false);
    for (int i = 0; i < 3; i++)
        others[i] = new_task(test_other, false);
    /* the rows of the oldest are moved behind the newest */
    run_sql("WITH put AS (UPDATE tasks SET published_at = timestamptz 'epoch' WHERE id > (SELECT min(id) + 4"
            " FROM tasks) RETURNING id) SELECT count(*) / 28 AS answer FROM put");
    run_sql(
        "WITH put AS (UPDATE tasks SET published_at = timestamptz 'epoch' WHERE published_at IS DISTINCT FROM"
        " timestamptz 'epoch' RETURNING id) SELECT count(*) / 5 AS answer FROM put");
    static const struct {
        int mine, others;
    } rounds[] = {{2, 2}, {3, 1}};
    for (int round = 0, i = 0, j = 0; round < 2; round++) {
        assert_int_equal(mr_waiting_recall(test_db, false, recalled, 4, &count, &err), MR_OK);
        assert_int_equal(count, rounds[round].mine + rounds[round].others);
        for (size_t n = 0; n < count; n++)
            assert_int_equal(recalled[n].task_id, n < (size_t)rounds[round].mine ? mine[i++] : others[j++]);
    }
}

/* Its message must be kept then: nothing is owed for it. */
static void a_task_that_is_claimed_meanwhile_is_not_put_off(void **state)
{
    (void)state;
    struct mr_err err;
    bool done = true;
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    const struct mr_message message = {
        .kind = MR_KIND_CONVERT, .task_id = new_task(test_owner, false), .generation = 1};
    assert_int_equal(task_claim(message.task_id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(mr_waiting_put_off(test_db, &message, &done, &err), MR_OK);
    assert_false(done);
}

static void assert_exchange(int64_t id, int64_t expected)
{
    struct mr_message message = {.kind = MR_KIND_CONVERT, .task_id = id, .generation = 1};
    struct mr_err err;
    assert_int_equal(mr_waiting_exchange(test_db, &message, &err), MR_OK);
    assert_int_equal(message.task_id, expected);
}

static void the_oldest_that_was_put_off_goes_first(void **state)
{
    (void)state;
    struct mr_err err;
    int64_t ids[4];
    run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
    for (int i = 0; i < 4; i++)
        ids[i] = new_task(test_owner, false);
    int64_t high = new_task(test_owner, true), foreign = new_task(test_other, false);
    assert_exchange(ids[3], ids[3]); /* none was put off */
    for (int i = 1; i < 3; i++) {
        const struct mr_message message = {.task_id = ids[i], .generation = 1};
        bool done = false;
        assert_int_equal(mr_waiting_put_off(test_db, &message, &done, &err), MR_OK);
        assert_true(done);
    }
    assert_exchange(ids[0], ids[0]); /* it is older */
    assert_exchange(high, high);
    assert_exchange(foreign, foreign);
    assert_exchange(ids[3], ids[1]);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(ids[1], 1, &claim), MR_CLAIM_OURS);
    const int64_t newest = new_task(test_owner, false);
    assert_exchange(newest, ids[2]);
    assert_exchange(ids[1], ids[1]); /* it runs: another worker's lease may have ended */
    assert_answer("3", "SELECT count(*) FROM tasks WHERE status = 'uploaded' AND published_at <",
                  "1971-01-01");
}

/* Of a message that Pub/Sub lost: at first soon, later after as long as the task had waited, then at a fixed pace. */
static void a_waiting_task_is_published_again(void **state)
{
    (void)state;
    static const struct {
        int waited_s, since_s; /* at the last message; since then */
        bool is_due;
    } table[] = {
        {0, 119, false},  {0, 121, true},     {100, 119, false}, {100, 121, true},   {300, 290, false},
        {300, 310, true}, {4000, 590, false}, {4000, 610, true}, {90000, 610, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char sql[300];
        run_sql("WITH gone AS (DELETE FROM tasks) SELECT 1 AS answer");
        (void)new_task(test_owner, false);
        snprintf(
            sql, sizeof sql,
            "UPDATE tasks SET published_at = now() - interval '%d s', uploaded_at = now() - interval '%d s'"
            " RETURNING 1 AS answer",
            table[i].since_s, table[i].since_s + table[i].waited_s);
        run_sql(sql);
        struct mr_message due[10];
        struct mr_err err;
        size_t count = 0;
        assert_int_equal(mr_outbox_due(test_db, false, 120, due, 10, &count, &err), MR_OK);
        assert_int_equal(count, table[i].is_due);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_tells_what_a_claim_would_find),
        cmocka_unit_test(many_are_looked_at_in_their_order),
        cmocka_unit_test(others_are_seen_by_priority),
        cmocka_unit_test(the_answer_about_others_is_kept_for_a_moment),
        cmocka_unit_test(a_task_that_is_put_off_is_published_again),
        cmocka_unit_test(what_was_put_off_is_recalled_once),
        cmocka_unit_test(the_oldest_of_each_user_are_recalled),
        cmocka_unit_test(a_task_that_is_claimed_meanwhile_is_not_put_off),
        cmocka_unit_test(the_oldest_that_was_put_off_goes_first),
        cmocka_unit_test(a_waiting_task_is_published_again),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
