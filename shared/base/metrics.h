/*
 * Metrics: counters, gauges and histograms of a process, and their text for Prometheus.
 *
 * A program has one table of metrics. Each has at most two labels, whose values are lists that are known at the start, so a
 * metric has a fixed number of cells, whatever clients send. A change is one or two atomic additions, without a lock or an
 * allocation. Values never fall but for gauges; a process that ends forgets them.
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4)
 *
 * All functions accept NULL for the metrics, and do nothing then. Any thread.
 */
#ifndef MR_BASE_METRICS_H
#define MR_BASE_METRICS_H

#include "shared/base/buf.h"
#include "shared/base/cleanup.h"

#include <stdint.h>

enum mr_metric_type { MR_METRIC_COUNTER, MR_METRIC_GAUGE, MR_METRIC_HISTOGRAM };
enum { MR_METRIC_LABELS_MAX = 2 };

#define MR_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct mr_metric_label {
    const char *name;          /* NULL: the metric has no such label */
    const char *const *values; /* an index past the last counts for the last one, which may be "other" */
    size_t count;
};

struct mr_metric {
    const char *name; /* with its unit; of a counter with _total */
    const char *help;
    enum mr_metric_type type;
    struct mr_metric_label labels[MR_METRIC_LABELS_MAX];
    const int64_t *bounds; /* of a histogram: upper bounds of its buckets in microseconds, rising */
    size_t bound_count;
};

/* Bounds for times of requests and waits, and for those of conversions. */
extern const int64_t mr_metric_bounds_short[], mr_metric_bounds_long[];
extern const size_t mr_metric_bounds_short_count, mr_metric_bounds_long_count;

struct mr_metrics;
/* The table is copied; the texts and lists in it must outlive *ret. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_metrics_new(const struct mr_metric *table, size_t count,
                                            struct mr_metrics **ret, struct mr_err *err);
void mr_metrics_free(struct mr_metrics *metrics);
MR_DEFINE_CLEANUP(mr_metrics, mr_metrics_free)

/* metric is an index of the table; a and b are indices of the values of its labels, 0 without one. */
void mr_metrics_add(struct mr_metrics *metrics, size_t metric, size_t a, size_t b, int64_t n);
/* Sets a gauge. */
void mr_metrics_set(struct mr_metrics *metrics, size_t metric, size_t a, size_t b, int64_t value);
/* Counts a time in a histogram. */
void mr_metrics_observe(struct mr_metrics *metrics, size_t metric, size_t a, size_t b, int64_t us);

/* Appends all metrics as text. Cells in which nothing was counted yet are left out where the metric has labels. */
MR_MUST_CHECK enum mr_status mr_metrics_write(const struct mr_metrics *metrics, struct mr_buf *out,
                                              struct mr_err *err);

#endif
