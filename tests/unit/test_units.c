/* Units of long tasks, against a real PostgreSQL: plan, claim, result, join, and what ends them; and where a clip is cut. */
#include "shared/data/orphans.h"
#include "shared/data/publisher.h"
#include "tests/unit/fixture_units.h"
#include "worker/media/cuts.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { PARTS = 4, JOIN = PARTS + 1 };

static void make_units(const struct mr_claim *task, const char *video, const char *audio)
{
    const struct mr_units_plan plan = {.units = {{MR_UNIT_VIDEO, 0, 10000000},
                                                 {MR_UNIT_VIDEO, 10000000, 2490000000},
                                                 {MR_UNIT_VIDEO, 2490000000, INT64_MAX},
                                                 {MR_UNIT_AUDIO, 0, INT64_MAX}},
                                       .count = PARTS,
                                       .basis = {video, audio}};
    struct mr_err err = {0};
    bool ours = false;
    for (int i = 0; i < 2; i++) { /* the answer to the first was lost */
        assert_int_equal(mr_units_make(test_db, task, &plan, &ours, &err), MR_OK);
        assert_true(ours);
    }
}

/* A task that is cut into PARTS units. */
static void cut_task(struct mr_claim *ret)
{
    task_begin(ret);
    make_units(ret, "video as wanted", "audio as wanted");
}

static void finish_all(const struct mr_claim *task, const char *prefix)
{
    for (int64_t n = 1; n <= PARTS; n++) {
        MR_AUTO(mr_claim) struct mr_claim unit = {0};
        char object[64];
        int64_t join = -1;
        snprintf(object, sizeof object, "%s-%" PRId64, prefix, n);
        assert_int_equal(unit_claim(task, n, &unit), MR_CLAIM_OURS);
        assert_true(unit_finish(&unit, object, &join));
        assert_int_equal(join, n == PARTS ? JOIN : 0);
    }
}

static void units_are_made_joined_and_dropped(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim task = {0};
    MR_AUTO(mr_claim) struct mr_claim join = {0};
    MR_AUTO(mr_unit_parts) struct mr_unit_parts parts = {0};
    struct mr_claim none = {0};
    struct mr_err err = {0};
    cut_task(&task);
    assert_units(&task, "waiting waiting waiting waiting blocked");
    assert_int_equal(task_claim(task.task_id, 1, &none), MR_CLAIM_ELSEWHERE);
    assert_int_equal(unit_claim(&task, JOIN, &none), MR_CLAIM_STALE);
    finish_all(&task, "units/joined");
    assert_units(&task, "done done done done waiting");
    assert_int_equal(unit_claim(&task, 1, &none), MR_CLAIM_STALE);
    assert_int_equal(unit_claim(&task, JOIN, &join), MR_CLAIM_OURS);
    assert_int_equal(join.unit.kind, MR_UNIT_JOIN);
    assert_string_equal(join.new_format, "mp3");
    assert_int_equal(mr_units_parts(test_db, &join, &parts, &err), MR_OK);
    assert_int_equal(parts.count, PARTS);
    assert_string_equal(parts.parts[1].object, "units/joined-2");
    assert_int_equal(parts.parts[2].kind, MR_UNIT_VIDEO);
    assert_int_equal(parts.parts[3].kind, MR_UNIT_AUDIO);
    assert_int_equal(json_integer_value(json_object_get(parts.parts[2].report, "frames")), 7);
    assert_orphaned("units/joined-1", "0");
    assert_true(task_commit(&join, "results/joined"));
    assert_state(task.task_id, "processed");
    assert_units(&task, "");
    assert_orphaned("units/joined-1", "1");
}

static void a_unit_is_one_workers(void **state)
{
    (void)state;
    static const char *const delivery = "0b8e5a53-6b3f-4c3e-9d0c-6c0a4f1f7b01";
    MR_AUTO(mr_claim) struct mr_claim task = {0};
    MR_AUTO(mr_claim) struct mr_claim late = {0};
    MR_AUTO(mr_claim) struct mr_claim next = {0};
    struct mr_claim none = {0};
    int64_t join = 0;
    cut_task(&task);
    assert_int_equal(unit_claim_as(delivery, &task, 2, &late), MR_CLAIM_OURS);
    mr_claim_free(&late);
    assert_int_equal(unit_claim_as(delivery, &task, 2, &late), MR_CLAIM_OURS); /* repeated */
    assert_int_equal(late.unit.attempts, 1);
    assert_int_equal(late.unit.from_us, 10000000);
    assert_int_equal(late.unit.to_us, 2490000000);
    assert_int_equal(unit_claim(&task, 2, &none), MR_CLAIM_ELSEWHERE);
    assert_true(unit_heartbeat(&late, 400));
    MR_AUTO_JSON json_t *view = task_view_of(task.task_id);
    /* 0.4 × 2,480 s of 3,984, with the audio and the join. */
    assert_true(json_real_value(json_object_get(view, "progress")) == 24.9);
    unit_expire(&task, 2);
    assert_int_equal(unit_claim(&task, 2, &next), MR_CLAIM_OURS);
    assert_false(unit_heartbeat(&late, 500));
    assert_false(unit_finish(&late, "units/late", &join));
    assert_false(unit_release(&late, MR_RELEASE_UNCOUNTED));
    assert_true(unit_finish(&next, "units/next", &join));
    assert_true(unit_finish(&next, "units/next", &join)); /* repeated */
    assert_units(&task, "waiting done waiting waiting blocked");
}

static void a_unit_has_limits(void **state)
{
    (void)state;
    static const struct {
        enum mr_release reason;
        bool expires;
        int runs; /* after which the task fails; 0: never */
    } table[] = {{MR_RELEASE_UNCOUNTED, true, 4},
                 {MR_RELEASE_KILL, false, 4},
                 {MR_RELEASE_STOP, false, 5},
                 {MR_RELEASE_UNCOUNTED, false, 0}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_claim) struct mr_claim task = {0};
        struct mr_claim none = {0};
        cut_task(&task);
        for (int run = 0; run < (table[i].runs ? table[i].runs : 8); run++) {
            MR_AUTO(mr_claim) struct mr_claim unit = {0};
            assert_int_equal(unit_claim(&task, 3, &unit), MR_CLAIM_OURS);
            if (table[i].expires)
                unit_expire(&task, 3);
            else
                assert_true(unit_release(&unit, table[i].reason));
        }
        if (!table[i].runs)
            continue;
        assert_int_equal(unit_claim(&task, 3, &none), MR_CLAIM_EXHAUSTED);
        assert_int_equal(unit_claim(&task, 1, &none), MR_CLAIM_STALE);
        MR_AUTO_JSON json_t *view = task_view_of(task.task_id);
        const json_t *error = json_object_get(view, "error");
        assert_text(error, "code", "interrupted");
        assert_non_null(strstr(json_string_value(json_object_get(error, "detail")), "at 00:41:30"));
        assert_units(&task, "");
    }
}

/* It takes no unit that runs for the task to end. */
static void a_cut_task_has_a_time(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim task = {0};
    MR_AUTO(mr_claim) struct mr_claim unit = {0};
    struct mr_claim none = {0};
    cut_task(&task);
    task_set(task.task_id, "first_claimed_at = now() - interval '23 h'");
    assert_int_equal(unit_claim(&task, 1, &unit), MR_CLAIM_OURS);
    assert_in_range(unit.worked_ms, 23 * 3600000, 23 * 3600000 + 60000);
    task_set(task.task_id, "first_claimed_at = now() - interval '25 h'");
    assert_int_equal(unit_claim(&task, 1, &none), MR_CLAIM_ELSEWHERE);
    assert_int_equal(unit_claim(&task, JOIN, &none), MR_CLAIM_STALE); /* not its turn */
    assert_int_equal(unit_claim(&task, 2, &none), MR_CLAIM_EXHAUSTED);
    MR_AUTO_JSON json_t *view = task_view_of(task.task_id);
    assert_text(json_object_get(view, "error"), "code", "task_too_long");
    assert_units(&task, "");
}

/* A join that has lost its lease commits nothing, also while no other is done. */
static void a_join_is_one_workers(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim task = {0};
    MR_AUTO(mr_claim) struct mr_claim late = {0};
    MR_AUTO(mr_claim) struct mr_claim next = {0};
    cut_task(&task);
    finish_all(&task, "units/late-join");
    assert_int_equal(unit_claim(&task, JOIN, &late), MR_CLAIM_OURS);
    unit_expire(&task, JOIN);
    assert_int_equal(unit_claim(&task, JOIN, &next), MR_CLAIM_OURS);
    assert_false(task_commit(&late, "results/late-join1"));
    assert_state(task.task_id, "processing");
    assert_true(task_commit(&next, "results/late-join2"));
    assert_true(task_commit(&next, "results/late-join2")); /* repeated */
    assert_false(task_commit(&late, "results/late-join1"));
    assert_answer("results/late-join2", "SELECT min(object) FROM outputs WHERE object LIKE ",
                  "results/late-join%");
}

static void cancel_unit(const struct mr_claim *unit)
{
    MR_AUTO_JSON json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_cancel(test_db, test_owner, unit->file_id, &view, &err), MR_OK);
}

static void fail_unit(const struct mr_claim *unit)
{
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_unit_fail(test_db, unit, "resource_limit", "at 00:00:10: x", &ours, &err), MR_OK);
    assert_true(ours);
    assert_int_equal(mr_unit_fail(test_db, unit, "resource_limit", "again", &ours, &err), MR_OK);
    assert_false(ours);
}

static void give_up_unit(const struct mr_claim *unit)
{
    struct mr_err err = {0};
    struct mr_message message = {0};
    bool ours = false;
    assert_int_equal(mr_units_give_up(test_db, unit, "packets are damaged", &ours, &message, &err), MR_OK);
    assert_true(ours);
    assert_string_equal(message.kind, "convert");
    MR_AUTO(mr_claim) struct mr_claim whole = {0};
    assert_counts(unit->task_id, "0 0 0 0");
    assert_int_equal(task_claim(unit->task_id, 1, &whole), MR_CLAIM_OURS);
    assert_string_equal(whole.whole_reason, "packets are damaged");
    assert_true(task_release(&whole, MR_RELEASE_UNCOUNTED));
}

static void claim_task_again(const struct mr_claim *unit)
{
    MR_AUTO(mr_claim) struct mr_claim again = {0};
    task_expire_lease(unit->task_id);
    assert_int_equal(task_claim(unit->task_id, 1, &again), MR_CLAIM_OURS);
    assert_string_equal(again.whole_reason, "");
}

static void delete_task(const struct mr_claim *unit)
{
    char sql[128];
    snprintf(sql, sizeof sql,
             "WITH d AS (DELETE FROM tasks WHERE id = %" PRId64
             " RETURNING 1) SELECT count(*) AS answer FROM d",
             unit->task_id);
    run_sql(sql);
}

/* Whatever ends the plan: units stop, and their objects are orphaned. */
static void what_ends_a_plan_drops_its_units(void **state)
{
    (void)state;
    void (*const ends[])(const struct mr_claim *unit) = {cancel_unit, fail_unit, give_up_unit,
                                                         claim_task_again, delete_task};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        MR_AUTO(mr_claim) struct mr_claim task = {0};
        MR_AUTO(mr_claim) struct mr_claim made = {0};
        MR_AUTO(mr_claim) struct mr_claim unit = {0};
        struct mr_claim none = {0};
        char object[64];
        int64_t join = 0;
        snprintf(object, sizeof object, "units/ended-%zu", i);
        cut_task(&task);
        assert_int_equal(unit_claim(&task, 1, &made), MR_CLAIM_OURS);
        assert_true(unit_finish(&made, object, &join));
        assert_int_equal(unit_claim(&task, 2, &unit), MR_CLAIM_OURS);
        ends[i](&unit);
        assert_units(&task, "");
        assert_orphaned(object, "1");
        assert_false(unit_heartbeat(&unit, 500));
        assert_false(unit_finish(&unit, "units/after", &join));
        assert_false(unit_release(&unit, MR_RELEASE_STOP));
        assert_int_equal(unit_claim(&task, 3, &none), MR_CLAIM_STALE);
    }
}

/* What a unit has made is taken by the plan of the next generation, if it is what that wants, and only once. */
static void results_outlive_a_new_generation(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim first = {0};
    MR_AUTO(mr_claim) struct mr_claim second = {0};
    MR_AUTO(mr_claim) struct mr_claim third = {0};
    MR_AUTO(mr_claim) struct mr_claim fourth = {0};
    MR_AUTO(mr_claim) struct mr_claim unit = {0};
    MR_AUTO(mr_claim) struct mr_claim join_claim = {0};
    MR_AUTO(mr_unit_parts) struct mr_unit_parts parts = {0};
    struct mr_err err = {0};
    int64_t join = 0;
    cut_task(&first);
    assert_int_equal(unit_claim(&first, 2, &unit), MR_CLAIM_OURS);
    assert_true(unit_finish(&unit, "units/kept-2", &join));
    task_run_again(&first, 2, &second);
    assert_kept(&first, "1");
    assert_orphaned("units/kept-2", "0");
    assert_answer("1", "SELECT count(*) FROM stray_objects WHERE name = ", "units/kept-2");
    make_units(&second, "video as wanted", "audio as wanted");
    assert_units(&second, "waiting done waiting waiting blocked");
    assert_kept(&first, "0");
    assert_answer("0", "SELECT count(*) FROM stray_objects WHERE name = ", "units/kept-2");
    mr_claim_free(&unit);
    for (int64_t n = 1; n <= PARTS; n++) {
        char object[64];
        snprintf(object, sizeof object, "units/kept-%" PRId64, n);
        mr_claim_free(&unit);
        assert_int_equal(unit_claim(&second, n, &unit), n == 2 ? MR_CLAIM_STALE : MR_CLAIM_OURS);
        assert_true(n == 2 || unit_finish(&unit, object, &join));
    }
    assert_int_equal(join, JOIN);
    task_run_again(&first, 3, &third);
    make_units(&third, "video as wanted", "audio as wanted"); /* all is there: the join can begin */
    assert_units(&third, "done done done done waiting");
    assert_int_equal(unit_claim(&third, JOIN, &join_claim), MR_CLAIM_OURS);
    assert_int_equal(mr_units_parts(test_db, &join_claim, &parts, &err), MR_OK);
    assert_string_equal(parts.parts[1].object, "units/kept-2");
    task_run_again(&first, 4, &fourth);
    make_units(&fourth, "other video", "audio as wanted");
    assert_units(&fourth, "waiting waiting waiting done blocked");
    assert_kept(&first, "0");
    assert_answer("1", "SELECT count(*) FROM stray_objects WHERE name = ", "units/kept-2");
}

/* Nothing is kept of a task that ends, nor taken when the sweep may delete it. */
static void results_are_not_kept_for_ever(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        MR_AUTO(mr_claim) struct mr_claim first = {0};
        MR_AUTO(mr_claim) struct mr_claim second = {0};
        MR_AUTO(mr_claim) struct mr_claim unit = {0};
        int64_t join = 0;
        cut_task(&first);
        assert_int_equal(unit_claim(&first, 1, &unit), MR_CLAIM_OURS);
        assert_true(unit_finish(&unit, late ? "units/late-1" : "units/canceled-1", &join));
        task_run_again(&first, 2, &second);
        if (late) {
            run_sql("UPDATE stray_objects SET delete_after = now() + interval '1 s' WHERE name ="
                    " 'units/late-1' RETURNING 1 AS answer");
            make_units(&second, "video as wanted", "audio as wanted");
            assert_units(&second, "waiting waiting waiting waiting blocked");
        } else {
            cancel_unit(&first);
            assert_orphaned("units/canceled-1", "1");
        }
        assert_kept(&first, "0");
    }
}

static size_t due(const struct mr_claim *task, bool high)
{
    struct mr_message messages[1000];
    struct mr_err err = {0};
    size_t count = 0, found = 0;
    assert_int_equal(mr_units_due(test_db, high, 120, messages, 1000, &count, &err), MR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(messages[i].kind, "unit");
        found += messages[i].task_id == task->task_id;
    }
    return found;
}

static void age(const struct mr_claim *task, const char *what)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "WITH u AS (UPDATE units SET %s WHERE task_id = %" PRId64 " RETURNING 1) SELECT 1 AS answer",
             what, task->task_id);
    run_sql(sql);
}

static size_t recall(bool high, struct mr_message *recalled)
{
    struct mr_err err = {0};
    size_t count = 0;
    assert_int_equal(mr_units_recall(test_db, high, recalled, 10, &count, &err), MR_OK);
    return count;
}

/* Where others of the lane wait, and where none does. */
static void put_off_and_recall(const struct mr_claim *task, const struct mr_message *owed)
{
    struct mr_task_draft other = task_draft(test_owner);
    struct mr_message idle[10];
    struct mr_err err = {0};
    bool done = true;
    assert_int_equal(mr_units_mark(test_db, owed, PARTS, &err), MR_OK);
    assert_int_equal(mr_units_put_off(test_db, &owed[1], true, &done, &err), MR_OK);
    assert_false(done);
    other.priority = "high";
    MR_AUTO_JSON json_t *view = task_insert(&other);
    assert_int_equal(mr_units_put_off(test_db, &owed[1], true, &done, &err), MR_OK);
    assert_true(done);
    assert_int_equal(mr_units_put_off(test_db, &owed[0], false, &done, &err), MR_OK);
    assert_true(done);
    assert_int_equal(recall(false, idle), 0);
    assert_int_equal(recall(true, idle), 2);
    assert_true(idle[0].id + idle[1].id == owed[0].id + owed[1].id && idle[0].task_id == task->task_id);
    assert_int_equal(recall(true, idle), 0); /* one worker has them */
    task_set(json_integer_value(json_object_get(view, "id")), "priority = 'normal'");
}

static void units_are_published(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim task = {0};
    MR_AUTO(mr_claim) struct mr_claim unit = {0};
    struct mr_message owed[10];
    struct mr_err err = {0};
    size_t count = 0;
    cut_task(&task);
    task_set(task.task_id, "priority = 'high'"); /* so are its units: topic, lane and sweep follow */
    assert_int_equal(mr_units_owed(test_db, &task, owed, 10, &count, &err), MR_OK);
    assert_true(owed[0].high && mr_lane_of(&owed[0]) == MR_LANE_HIGH);
    age(&task, "made_at = now() - interval '6 s'");
    assert_int_equal(due(&task, true), PARTS);
    assert_int_equal(due(&task, false), 0);
    put_off_and_recall(&task, owed);
    task_set(task.task_id, "priority = 'normal'");
    age(&task, "made_at = now(), published_at = NULL");
    assert_int_equal(mr_units_owed(test_db, &task, owed, 10, &count, &err), MR_OK);
    assert_int_equal(count, PARTS); /* the join waits */
    assert_int_equal(owed[2].id, 3);
    assert_int_equal(mr_lane_of(&owed[2]), MR_LANE_NORMAL);
    assert_int_equal(due(&task, false), 0);
    age(&task, "made_at = now() - interval '6 s'");
    assert_int_equal(due(&task, false), PARTS);
    assert_int_equal(due(&task, true), 0);
    assert_int_equal(mr_units_mark(test_db, owed, count, &err), MR_OK);
    assert_int_equal(due(&task, false), 0);
    assert_int_equal(mr_units_owed(test_db, &task, owed, 10, &count, &err), MR_OK);
    assert_int_equal(count, 0);
    age(&task, "published_at = now() - interval '130 s', made_at = now() - interval '140 s'");
    assert_int_equal(due(&task, false), PARTS); /* lost */
    assert_int_equal(unit_claim(&task, 1, &unit), MR_CLAIM_OURS);
    assert_int_equal(due(&task, false), PARTS - 1);
    age(&task, "published_at = NULL");
    assert_int_equal(due(&task, false), 0); /* the worker of the first one recalls them */
    unit_expire(&task, 1);
    assert_int_equal(due(&task, false), PARTS);
}

static double progress_of(const struct mr_claim *task)
{
    MR_AUTO_JSON json_t *view = task_view_of(task->task_id);
    return json_real_value(json_object_get(view, "progress"));
}

/* Random steps of three workers, who die, come late and stop. Whatever they do, each unit is made by one claim, the join comes
 * last, and nothing is left. */
static void any_order_of_steps_ends_right(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        unsigned random = seed;
        MR_AUTO(mr_claim) struct mr_claim task = {0};
        struct mr_claim held[3] = {0};
        int made[JOIN + 1] = {0};
        int64_t join = 0;
        cut_task(&task);
        for (int step = 0; step < 400 && !made[JOIN]; step++) {
            random = random * 1103515245U + 12345U;
            struct mr_claim *unit = &held[random >> 8 & 3 ? (random >> 8 & 3) - 1 : 0];
            unsigned act = random >> 16 & 7;
            int64_t n = unit->unit.n;
            if (n == 0) {
                n = (random >> 20) % JOIN + 1;
                enum mr_claim_outcome outcome = unit_claim(&task, n, unit);
                assert_true(outcome != MR_CLAIM_OURS || !made[n]);
                assert_true(n != JOIN || outcome != MR_CLAIM_OURS ||
                            made[1] + made[2] + made[3] + made[4] == PARTS);
                continue;
            }
            if (act == 0) {
                unit_expire(&task, n); /* it has died, or only looks so */
                continue;
            }
            if (act < 3) {
                double before = progress_of(&task);
                (void)unit_heartbeat(unit, (int)(random >> 20 & 511));
                assert_true(progress_of(&task) >= before);
                continue;
            }
            char object[64];
            snprintf(object, sizeof object, "units/any-%u-%d", seed, step);
            if (act == 3)
                (void)unit_release(unit, MR_RELEASE_UNCOUNTED);
            else if (n == JOIN)
                made[n] += task_commit(unit, object);
            else
                made[n] += unit_finish(unit, object, &join);
            mr_claim_free(unit);
        }
        assert_true(made[JOIN] <= 1);
        for (int n = 1; n <= PARTS; n++)
            assert_true(made[n] <= 1);
        if (made[JOIN])
            assert_units(&task, "");
        for (size_t i = 0; i < 3; i++)
            mr_claim_free(&held[i]);
    }
}

static void a_clip_is_cut_at_key_frames(void **state)
{
    (void)state;
    static const struct {
        int64_t keys[12], total, parts;
        size_t key_count, count;
        int64_t from[6];
    } table[] = {
        {{0, 10, 20, 30, 40, 50, 60, 70, 80, 90}, 100, 2, 10, 2, {0, 50}},
        {{0, 10, 20, 30, 40, 50, 60, 70, 80, 90}, 100, 4, 10, 4, {0, 30, 50, 80}},
        {{0}, 100, 4, 1, 0, {0}},                      /* one key frame in all */
        {{0}, 100, 4, 0, 0, {0}},                      /* none */
        {{0, 99}, 100, 4, 2, 0, {0}},                  /* a sliver is no unit */
        {{0, 1, 2, 3, 60, 61}, 100, 5, 6, 2, {0, 60}}, /* far between */
        {{0, 50, 200, 300}, 100, 2, 4, 2, {0, 50}},    /* behind the end */
        {{-5, 50}, 100, 1, 2, 0, {0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_cuts_of_track cuts = {0};
        mr_cuts_choose(table[i].keys, table[i].key_count, table[i].total, table[i].parts, &cuts);
        assert_int_equal(cuts.count, table[i].count);
        for (size_t k = 0; k < cuts.count; k++)
            assert_int_equal(cuts.from_us[k], table[i].from[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_made_joined_and_dropped),
        cmocka_unit_test(a_unit_is_one_workers),
        cmocka_unit_test(a_join_is_one_workers),
        cmocka_unit_test(a_unit_has_limits),
        cmocka_unit_test(a_cut_task_has_a_time),
        cmocka_unit_test(what_ends_a_plan_drops_its_units),
        cmocka_unit_test(results_outlive_a_new_generation),
        cmocka_unit_test(results_are_not_kept_for_ever),
        cmocka_unit_test(units_are_published),
        cmocka_unit_test(any_order_of_steps_ends_right),
        cmocka_unit_test(a_clip_is_cut_at_key_frames),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
