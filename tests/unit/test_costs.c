/* What encoders have cost, read from receipts in a real PostgreSQL, and kept for a while. */
#include "shared/data/work_costs.h"
#include "tests/unit/fixture_tasks.h"
#include "worker/costs.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void add_task(bool fails, const char *receipt)
{
    char assignments[300], object[40];
    const struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    const int64_t id = json_integer_value(json_object_get(view, "id"));
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    snprintf(object, sizeof object, "results/%" PRId64, id);
    assert_true(fails ? task_fail(&claim, "invalid_media", "it is") : task_commit(&claim, object));
    snprintf(assignments, sizeof assignments, "receipt = '%s'", receipt);
    task_set(id, assignments);
}

static void add_job(const char *encoder, const char *preset, double megapixels, double seconds)
{
    char receipt[300];
    snprintf(receipt, sizeof receipt,
             "{\"cpu_seconds\": %f, \"work\": {\"encoder\": \"%s\", \"preset\": \"%s\", \"megapixels\": %f}}",
             seconds, encoder, preset, megapixels);
    add_task(false, receipt);
}

static void add_audio(const char *encoder, double megasamples, double seconds, const char *more)
{
    char receipt[300];
    snprintf(
        receipt, sizeof receipt,
        "{\"cpu_seconds\": %f, \"work\": {\"encoder\": \"%s\", \"preset\": \"\", \"megasamples\": %f}%s}",
        seconds, encoder, megasamples, more);
    add_task(false, receipt);
}

static json_t *read_costs(void)
{
    json_t *costs = NULL;
    struct mr_err err;
    assert_int_equal(mr_work_costs_read(test_db, &costs, &err), MR_OK);
    return costs;
}

static void assert_cost(const json_t *costs, size_t i, const char *encoder, const char *preset,
                        double seconds)
{
    const char *name = NULL, *asked = NULL;
    double cost = 0;
    json_t *row = json_array_get(costs, i);
    assert_int_equal(json_unpack(row, "[s, s, F]", &name, &asked, &cost), 0);
    assert_string_equal(name, encoder);
    assert_string_equal(asked, preset);
    assert_true(fabs(cost - seconds) < 1e-9);
}

static void the_median_of_enough_jobs_counts(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *none = read_costs();
    assert_int_equal(json_array_size(none), 0);
    for (int i = 1; i <= 5; i++)
        add_job("libx264", "slow", 100, i);
    for (int i = 0; i < 5; i++)
        add_job("libvpx-vp9", "", 1000, 50);
    for (int i = 0; i < 4; i++)
        add_job("libx265", "", 1000, 50);
    MR_AUTO_JSON json_t *costs = read_costs();
    assert_int_equal(json_array_size(costs), 2);
    assert_cost(costs, 0, "libvpx-vp9", "", 0.05);
    assert_cost(costs, 1, "libx264", "slow", 0.03);
}

/* A short job is mostly its beginning and end, and a copied result has cost nothing. */
static void others_do_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        add_job("libx264", "", 19, 5);
        add_job("libx264", "", 100, 0.9);
        add_task(false, "{\"cpu_seconds\": 9}");
        add_task(true, "{\"cpu_seconds\": 9, \"work\": {\"encoder\": \"libx264\", \"preset\": \"\","
                       " \"megapixels\": 90}}");
        add_task(false, "{\"cpu_seconds\": 9, \"reused\": {\"task\": 1}, \"work\": {\"encoder\": \"libx264\","
                        " \"preset\": \"\", \"megapixels\": 90}}");
    }
    MR_AUTO_JSON json_t *costs = read_costs();
    assert_int_equal(json_array_size(costs), 2); /* those of the test before */
}

/* By the million of samples. Units of it decode what is before them once more, so the sum says nothing of the encoder. */
static void audio_counts_unless_it_was_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        add_audio("aac", 100, 20 + i, "");
        add_audio("aac", 100, 90, ", \"units\": 4, \"wall_seconds\": 30");
        add_audio("libopus", 100, 30, ", \"units\": 4, \"wall_seconds\": 30");
        add_audio("libmp3lame", 19, 5, "");
    }
    MR_AUTO_JSON json_t *costs = read_costs();
    assert_int_equal(json_array_size(costs), 3);
    assert_cost(costs, 0, "aac", "", 0.22);
}

static void they_are_read_once_in_a_while(void **state)
{
    (void)state;
    struct mr_costs costs;
    const struct mr_log log = {.fd = STDERR_FILENO, .program = "test"};
    mr_costs_init(&costs);
    MR_AUTO_JSON json_t *before = mr_costs_get(&costs, test_db, &log);
    assert_int_equal(json_array_size(before), 3);
    for (int i = 0; i < 5; i++)
        add_job("libsvtav1", "fast", 100, 2);
    MR_AUTO_JSON json_t *kept = mr_costs_get(&costs, test_db, &log);
    assert_int_equal(json_array_size(kept), 3);
    costs.read_us -= (int64_t)601 * 1000 * 1000;
    MR_AUTO_JSON json_t *fresh = mr_costs_get(&costs, test_db, &log);
    assert_int_equal(json_array_size(fresh), 4);
    assert_cost(fresh, 1, "libsvtav1", "fast", 0.02);
    mr_costs_destroy(&costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_of_enough_jobs_counts),
        cmocka_unit_test(others_do_not_count),
        cmocka_unit_test(audio_counts_unless_it_was_cut),
        cmocka_unit_test(they_are_read_once_in_a_while),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
