/* Units of audio that look for a gain together (shared/data/units.h), against a real PostgreSQL. */
#include "tests/unit/fixture_units.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* One unit of video, three of audio that look for a gain, and those behind them. */
enum { FIRST_AUDIO = 2, LAST_AUDIO = 4, LEVEL = 5, LEVELLED_JOIN = 6 };

static void cut_levelled(const struct mr_claim *task, const char *audio_basis)
{
    const struct mr_units_plan plan = {.units = {{MR_UNIT_VIDEO, 0, INT64_MAX},
                                                 {MR_UNIT_AUDIO, 0, 10000000},
                                                 {MR_UNIT_AUDIO, 10000000, 20000000},
                                                 {MR_UNIT_AUDIO, 20000000, INT64_MAX}},
                                       .count = 4,
                                       .has_level = true,
                                       .basis = {"video", audio_basis}};
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_units_make(test_db, task, &plan, &ours, &err), MR_OK);
    assert_true(ours);
}

static void cut_levelled_task(struct mr_claim *ret)
{
    task_begin(ret);
    cut_levelled(ret, "audio");
}

/* After so many rehearsals. */
static bool decide(const struct mr_claim *level, enum mr_level_next next, int rehearsals)
{
    struct mr_err err = {0};
    bool ours = false;
    MR_AUTO_JSON json_t *heard = json_array();
    for (int i = 0; i < rehearsals; i++)
        assert_int_equal(json_array_append_new(heard, json_integer(i)), 0);
    MR_AUTO_JSON json_t *search = json_pack("{s:O}", "heard", heard);
    assert_int_equal(mr_unit_level(test_db, level, next, search, &ours, &err), MR_OK);
    return ours;
}

static int rehearsals_of(const struct mr_claim *unit)
{
    MR_AUTO_JSON json_t *search = json_loads(unit->unit.search, 0, NULL);
    return (int)json_array_size(json_object_get(search, "heard"));
}

static void run_audio(const struct mr_claim *task, const char *prefix, int rehearsals, int64_t freed)
{
    for (int64_t n = FIRST_AUDIO; n <= LAST_AUDIO; n++) {
        MR_AUTO(mr_claim) struct mr_claim unit = {0};
        char object[64];
        int64_t next = -1;
        snprintf(object, sizeof object, "%s-%" PRId64, prefix, n);
        assert_int_equal(unit_claim(task, n, &unit), MR_CLAIM_OURS);
        assert_int_equal(rehearsals_of(&unit), rehearsals);
        assert_true(unit_finish(&unit, object, &next));
        assert_int_equal(next, n == LAST_AUDIO ? freed : 0);
        assert_true(unit_finish(&unit, object, &next)); /* the answer to the first was lost */
    }
}

static void units_of_audio_look_for_a_gain(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim task = {0};
    MR_AUTO(mr_claim) struct mr_claim first = {0};
    MR_AUTO(mr_claim) struct mr_claim second = {0};
    MR_AUTO(mr_claim) struct mr_claim third = {0};
    MR_AUTO(mr_claim) struct mr_claim video = {0};
    MR_AUTO(mr_claim) struct mr_claim join = {0};
    MR_AUTO(mr_unit_parts) struct mr_unit_parts measured = {0};
    MR_AUTO(mr_unit_parts) struct mr_unit_parts parts = {0};
    struct mr_claim none = {0};
    struct mr_err err = {0};
    int64_t next = 0;
    cut_levelled_task(&task);
    assert_units(&task, "waiting blocked blocked blocked waiting blocked");
    assert_int_equal(unit_claim(&task, FIRST_AUDIO, &none), MR_CLAIM_STALE);
    assert_int_equal(unit_claim(&task, LEVEL, &first), MR_CLAIM_OURS);
    assert_int_equal(first.unit.kind, MR_UNIT_LEVEL);
    assert_string_equal(first.unit.search, "");
    for (int i = 0; i < 2; i++) /* the answer to the first was lost */
        assert_true(decide(&first, MR_LEVEL_AGAIN, 1));
    assert_units(&task, "waiting waiting waiting waiting blocked blocked");
    run_audio(&task, "units/rehearsed", 1, LEVEL);
    assert_units(&task, "waiting done done done waiting blocked");
    assert_int_equal(unit_claim(&task, LEVEL, &second), MR_CLAIM_OURS);
    assert_int_equal(mr_units_parts(test_db, &second, &measured, &err), MR_OK);
    assert_int_equal(measured.count, 3);
    assert_string_equal(measured.parts[0].object, "units/rehearsed-2");
    assert_orphaned("units/rehearsed-2", "0");
    assert_false(decide(&first, MR_LEVEL_LAST, 3)); /* a lease of long ago */
    assert_true(decide(&second, MR_LEVEL_LAST, 2));
    assert_orphaned("units/rehearsed-2", "1");
    assert_units(&task, "waiting waiting waiting waiting done blocked");
    assert_int_equal(unit_claim(&task, LEVEL, &third), MR_CLAIM_STALE);
    run_audio(&task, "units/levelled", 2, 0);
    assert_units(&task, "waiting done done done done blocked");
    assert_int_equal(unit_claim(&task, 1, &video), MR_CLAIM_OURS);
    assert_true(unit_finish(&video, "units/levelled-1", &next));
    assert_int_equal(next, LEVELLED_JOIN);
    assert_int_equal(unit_claim(&task, LEVELLED_JOIN, &join), MR_CLAIM_OURS);
    assert_int_equal(mr_units_parts(test_db, &join, &parts, &err), MR_OK);
    assert_int_equal(parts.count, 5);
    assert_string_equal(parts.parts[3].object, "units/levelled-4");
    assert_string_equal(parts.parts[4].object, "");
    assert_int_equal(json_array_size(json_object_get(parts.parts[4].report, "heard")), 2);
    assert_true(task_commit(&join, "results/levelled"));
    assert_orphaned("units/levelled-2", "1");
}

/* Runs `level` until there are objects of so many rehearsals, and once more if they are right. */
static void rehearse(const struct mr_claim *task, const char *objects, bool are_right)
{
    for (int rehearsal = 1; rehearsal <= 1 + are_right; rehearsal++) {
        MR_AUTO(mr_claim) struct mr_claim level = {0};
        assert_int_equal(unit_claim(task, LEVEL, &level), MR_CLAIM_OURS);
        assert_true(decide(&level, rehearsal == 1 ? MR_LEVEL_AGAIN : MR_LEVEL_MADE, rehearsal));
        if (rehearsal == 1)
            run_audio(task, objects, 1, LEVEL);
    }
}

/* Once the gain is found, and only all together, for the same audio. */
static void audio_with_its_gain_outlives_a_new_generation(void **state)
{
    (void)state;
    MR_AUTO(mr_claim) struct mr_claim first = {0}, second = {0}, third = {0}, video = {0}, join = {0};
    MR_AUTO(mr_unit_parts) struct mr_unit_parts parts = {0};
    struct mr_err err = {0};
    int64_t next = 0;
    cut_levelled_task(&first);
    rehearse(&first, "units/early", false);
    assert_units(&first, "waiting done done done waiting blocked");
    task_run_again(&first, 2, &second);
    assert_kept(&first, "0");
    assert_orphaned("units/early-3", "1");
    cut_levelled(&second, "audio");
    assert_units(&second, "waiting blocked blocked blocked waiting blocked");
    rehearse(&second, "units/right", true);
    task_run_again(&first, 3, &third);
    assert_kept(&first, "4");
    assert_orphaned("units/right-3", "0");
    cut_levelled(&third, "audio");
    assert_kept(&first, "0");
    assert_units(&third, "waiting done done done done blocked");
    assert_answer("0", "SELECT count(*) FROM stray_objects WHERE name = ", "units/right-3");
    assert_int_equal(unit_claim(&third, 1, &video), MR_CLAIM_OURS);
    assert_true(unit_finish(&video, "units/right-1", &next));
    assert_int_equal(next, LEVELLED_JOIN);
    assert_int_equal(unit_claim(&third, LEVELLED_JOIN, &join), MR_CLAIM_OURS);
    assert_int_equal(mr_units_parts(test_db, &join, &parts, &err), MR_OK);
    assert_int_equal(parts.count, 5);
    assert_string_equal(parts.parts[3].object, "units/right-4");
    assert_int_equal(parts.parts[3].object_size, 99);
    assert_string_equal(parts.parts[4].object, "");
    assert_int_equal(json_array_size(json_object_get(parts.parts[4].report, "heard")), 2);
    assert_true(task_commit(&join, "results/right"));
    assert_orphaned("units/right-3", "1");
    assert_answer("0", "SELECT count(*) FROM stray_objects WHERE name = ", "");
}

/* What waits for units that are not wanted is not taken either. */
static void audio_with_another_gain_is_made_again(void **state)
{
    (void)state;
    static const struct {
        const char *basis, *missing, *states;
    } table[] = {{"other audio", "", "waiting blocked blocked blocked waiting blocked"},
                 {"audio", "kind = 'level'", "waiting blocked blocked blocked waiting blocked"},
                 {"audio", "from_us = 10000000", "waiting blocked blocked blocked waiting blocked"},
                 {"audio", "kind = 'video'", "waiting done done done done blocked"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_claim) struct mr_claim first = {0}, second = {0};
        char objects[32], sql[200];
        cut_levelled_task(&first);
        snprintf(objects, sizeof objects, "units/other-%zu", i);
        rehearse(&first, objects, true);
        task_run_again(&first, 2, &second);
        snprintf(sql, sizeof sql,
                 "WITH k AS (DELETE FROM kept_units WHERE task_id = %" PRId64 " AND %s) SELECT 1 AS answer",
                 first.task_id, *table[i].missing ? table[i].missing : "false");
        run_sql(sql);
        cut_levelled(&second, table[i].basis);
        assert_units(&second, table[i].states);
        assert_kept(&first, "0");
    }
}

/* As any_order_of_steps_ends_right. What `level` has decided holds for all units of audio, and none of an earlier
 * rehearsal counts. */
static void any_order_of_rehearsals_ends_right(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 12; seed++) {
        const int last = 1 + (int)seed % 3;
        const bool is_made = seed % 2 && last > 1;
        unsigned random = seed * 7919U;
        MR_AUTO(mr_claim) struct mr_claim task = {0};
        struct mr_claim held[3] = {0};
        int64_t next = 0;
        int stage = 0, done[LEVELLED_JOIN + 1] = {0};
        cut_levelled_task(&task);
        for (int step = 0; step < 1500 && !done[LEVELLED_JOIN]; step++) {
            random = random * 1103515245U + 12345U;
            struct mr_claim *unit = &held[random >> 8 & 3 ? (random >> 8 & 3) - 1 : 0];
            unsigned act = random >> 16 & 7;
            const int64_t n = unit->unit.n;
            const bool has_audio = done[2] + done[3] + done[4] == 3;
            if (n == 0) {
                const int64_t wanted = (random >> 20) % LEVELLED_JOIN + 1;
                if (unit_claim(&task, wanted, unit) != MR_CLAIM_OURS)
                    continue;
                assert_false(done[wanted]);
                assert_true(wanted != LEVEL || stage == 0 || has_audio);
                assert_true(wanted != LEVELLED_JOIN || (has_audio && done[1] && done[LEVEL]));
                if (wanted >= FIRST_AUDIO && wanted <= LEVEL)
                    assert_int_equal(unit->unit.search[0] ? rehearsals_of(unit) : 0, stage);
                continue;
            }
            if (act == 0) {
                unit_expire(&task, n);
                continue;
            }
            if (act == 1) {
                (void)unit_heartbeat(unit, (int)(random >> 20 & 511));
                continue;
            }
            char object[64];
            snprintf(object, sizeof object, "units/gain-%u-%d", seed, step);
            if (act == 2)
                (void)unit_release(unit, MR_RELEASE_UNCOUNTED);
            else if (n == LEVELLED_JOIN)
                done[n] = task_commit(unit, object);
            else if (n != LEVEL)
                done[n] |= unit_finish(unit, object, &next);
            else if (decide(unit,
                            stage + 1 < last ? MR_LEVEL_AGAIN
                            : is_made        ? MR_LEVEL_MADE
                                             : MR_LEVEL_LAST,
                            stage + 1)) {
                stage++;
                done[LEVEL] = stage == last;
                if (!done[LEVEL] || !is_made)
                    done[2] = done[3] = done[4] = 0;
            }
            mr_claim_free(unit);
        }
        assert_int_equal(stage, last);
        assert_true(done[LEVELLED_JOIN]);
        assert_units(&task, "");
        for (size_t i = 0; i < 3; i++)
            mr_claim_free(&held[i]);
    }
}

/* Audio is decoded from the beginning, so where its range begins says nothing. */
static void an_interrupted_unit_of_audio_says_how_far_it_got(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *detail;
    } table[] = {{FIRST_AUDIO, "conversion was interrupted too often up to 00:00:10: "},
                 {LAST_AUDIO, "conversion was interrupted too often: "}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_claim) struct mr_claim task = {0}, level = {0};
        struct mr_claim none = {0};
        cut_levelled_task(&task);
        assert_int_equal(unit_claim(&task, LEVEL, &level), MR_CLAIM_OURS);
        assert_true(decide(&level, MR_LEVEL_AGAIN, 1));
        for (int run = 0; run < 4; run++) {
            MR_AUTO(mr_claim) struct mr_claim unit = {0};
            assert_int_equal(unit_claim(&task, table[i].n, &unit), MR_CLAIM_OURS);
            unit_expire(&task, table[i].n);
        }
        assert_int_equal(unit_claim(&task, table[i].n, &none), MR_CLAIM_EXHAUSTED);
        MR_AUTO_JSON json_t *view = task_view_of(task.task_id);
        const char *detail = json_string_value(json_object_get(json_object_get(view, "error"), "detail"));
        if (strncmp(detail, table[i].detail, strlen(table[i].detail)) != 0)
            fail_msg("%s", detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_of_audio_look_for_a_gain),
        cmocka_unit_test(audio_with_its_gain_outlives_a_new_generation),
        cmocka_unit_test(audio_with_another_gain_is_made_again),
        cmocka_unit_test(any_order_of_rehearsals_ends_right),
        cmocka_unit_test(an_interrupted_unit_of_audio_says_how_far_it_got),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
