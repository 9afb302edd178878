/* The metrics of a process and their text: escapes, buckets, bounded labels, threads. tests/e2e/test_observed.py parses it with
 * Prometheus's own library. */
#include "shared/base/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { COUNTED, PLAIN, LEVEL, TIMES, METRICS };
enum { THREADS = 4, ROUNDS = 20000 };

static const char *const lanes[] = {"nor\"mal", "hi\\gh\nest", "other"};
static const char *const ends[] = {"good", "bad"};
static const int64_t bounds[] = {1000, 500000};
static const struct mr_metric table[METRICS] = {
    {"counted_total",
     "Lines\nand \\ and \"quotes\".",
     MR_METRIC_COUNTER,
     {{"lane", lanes, 3}, {"end", ends, 2}},
     NULL,
     0},
    {"plain_total", "Plain.", MR_METRIC_COUNTER, {{0}}, NULL, 0},
    {"level", "Level.", MR_METRIC_GAUGE, {{"end", ends, 2}}, NULL, 0},
    {"times_seconds", "Times.", MR_METRIC_HISTOGRAM, {{"end", ends, 2}}, bounds, 2},
};

static char *text_of(const struct mr_metrics *metrics)
{
    struct mr_buf text = MR_BUF_INIT(1 << 16);
    assert_int_equal(mr_metrics_write(metrics, &text, NULL), MR_OK);
    return mr_buf_take(&text);
}

static void is_written_as_prometheus_reads_it(void **state)
{
    (void)state;
    MR_AUTO(mr_metrics) struct mr_metrics *metrics = NULL;
    assert_int_equal(mr_metrics_new(table, METRICS, &metrics, NULL), MR_OK);
    mr_metrics_add(metrics, COUNTED, 0, 1, 2);
    mr_metrics_add(metrics, COUNTED, 1, 0, 1);
    mr_metrics_add(metrics, COUNTED, 99, 99, 7); /* past the last: the last */
    mr_metrics_set(metrics, LEVEL, 1, 0, 5);
    mr_metrics_set(metrics, LEVEL, 1, 0, -4);
    static const int64_t times[] = {0, 1000, 1001, 500000, 500001, INT64_C(7200000000)};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        mr_metrics_observe(metrics, TIMES, 1, 0, times[i]);
    MR_AUTO_STR char *text = text_of(metrics);
    assert_string_equal(text, "# HELP counted_total Lines\\nand \\\\ and \"quotes\".\n"
                              "# TYPE counted_total counter\n"
                              "counted_total{lane=\"nor\\\"mal\",end=\"bad\"} 2\n"
                              "counted_total{lane=\"hi\\\\gh\\nest\",end=\"good\"} 1\n"
                              "counted_total{lane=\"other\",end=\"bad\"} 7\n"
                              "# HELP plain_total Plain.\n"
                              "# TYPE plain_total counter\n"
                              "plain_total 0\n"
                              "# HELP level Level.\n"
                              "# TYPE level gauge\n"
                              "level{end=\"good\"} 0\n"
                              "level{end=\"bad\"} -4\n"
                              "# HELP times_seconds Times.\n"
                              "# TYPE times_seconds histogram\n"
                              "times_seconds_bucket{end=\"bad\",le=\"0.001\"} 2\n"
                              "times_seconds_bucket{end=\"bad\",le=\"0.5\"} 4\n"
                              "times_seconds_bucket{end=\"bad\",le=\"+Inf\"} 6\n"
                              "times_seconds_sum{end=\"bad\"} 7201.002002\n"
                              "times_seconds_count{end=\"bad\"} 6\n");
}

static void *add(void *metrics)
{
    for (int i = 0; i < ROUNDS; i++) {
        mr_metrics_add(metrics, PLAIN, 0, 0, 1);
        mr_metrics_observe(metrics, TIMES, 0, 0, i);
    }
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    MR_AUTO(mr_metrics) struct mr_metrics *metrics = NULL;
    assert_int_equal(mr_metrics_new(table, METRICS, &metrics, NULL), MR_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add, metrics), 0);
    free(text_of(metrics)); /* meanwhile */
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    MR_AUTO_STR char *text = text_of(metrics);
    assert_non_null(strstr(text, "plain_total 80000\n"));
    assert_non_null(strstr(text, "times_seconds_count{end=\"good\"} 80000\n"));
    assert_non_null(strstr(text, "times_seconds_sum{end=\"good\"} 799.96\n"));
}

static void without_metrics_nothing_happens(void **state)
{
    (void)state;
    mr_metrics_add(NULL, COUNTED, 0, 0, 1);
    mr_metrics_set(NULL, LEVEL, 0, 0, 1);
    mr_metrics_observe(NULL, TIMES, 0, 0, 1);
    mr_metrics_free(NULL);
    MR_AUTO_STR char *text = text_of(NULL);
    assert_true(!text || !text[0]);
}

static void a_text_without_room_fails(void **state)
{
    (void)state;
    struct mr_err err = {0};
    MR_AUTO(mr_metrics) struct mr_metrics *metrics = NULL;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(40);
    assert_int_equal(mr_metrics_new(table, METRICS, &metrics, &err), MR_OK);
    assert_int_not_equal(mr_metrics_write(metrics, &text, &err), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_written_as_prometheus_reads_it),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(without_metrics_nothing_happens),
        cmocka_unit_test(a_text_without_room_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
