#include "shared/base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

enum { MICRO = 1000000 };

const int64_t mr_metric_bounds_short[] = {1000,   2500,   5000,    10000,   25000,   50000,   100000,
                                          250000, 500000, 1000000, 2500000, 5000000, 10000000};
const size_t mr_metric_bounds_short_count = sizeof mr_metric_bounds_short / sizeof *mr_metric_bounds_short;
const int64_t mr_metric_bounds_long[] = {10000,
                                         50000,
                                         100000,
                                         500000,
                                         MICRO,
                                         5 * MICRO,
                                         15 * MICRO,
                                         INT64_C(60000000),
                                         INT64_C(300000000),
                                         INT64_C(900000000),
                                         INT64_C(1800000000),
                                         INT64_C(3600000000)};
const size_t mr_metric_bounds_long_count = sizeof mr_metric_bounds_long / sizeof *mr_metric_bounds_long;

/* A row of the table, and its cells: of a histogram the buckets (the last one has no bound), then the sum. */
struct row {
    struct mr_metric metric;
    size_t a_count, b_count; /* values of the labels, 1 without one */
    size_t width;            /* numbers of a cell */
    _Atomic int64_t *cells;
};

struct mr_metrics {
    size_t count;
    struct row rows[];
};

static size_t values_of(const struct mr_metric_label *label)
{
    return label->name && label->count ? label->count : 1;
}

static bool prepare(struct row *row, const struct mr_metric *metric)
{
    row->metric = *metric;
    row->a_count = values_of(&metric->labels[0]);
    row->b_count = values_of(&metric->labels[1]);
    row->width = metric->type == MR_METRIC_HISTOGRAM ? metric->bound_count + 2 : 1;
    row->cells = calloc(row->a_count * row->b_count * row->width, sizeof *row->cells);
    return row->cells;
}

enum mr_status mr_metrics_new(const struct mr_metric *table, size_t count, struct mr_metrics **ret,
                              struct mr_err *err)
{
    MR_AUTO(mr_metrics)
    struct mr_metrics *metrics = calloc(1, sizeof *metrics + count * sizeof *metrics->rows);
    if (!metrics)
        return mr_fail_oom(err);
    for (; metrics->count < count; metrics->count++)
        if (!prepare(&metrics->rows[metrics->count], &table[metrics->count]))
            return mr_fail_oom(err);
    *ret = MR_TAKE(metrics);
    return MR_OK;
}

void mr_metrics_free(struct mr_metrics *metrics)
{
    for (size_t i = 0; metrics && i < metrics->count; i++)
        free(metrics->rows[i].cells);
    free(metrics);
}

static _Atomic int64_t *cell_of(const struct row *row, size_t a, size_t b)
{
    a = a < row->a_count ? a : row->a_count - 1;
    b = b < row->b_count ? b : row->b_count - 1;
    return row->cells + (a * row->b_count + b) * row->width;
}

void mr_metrics_add(struct mr_metrics *metrics, size_t metric, size_t a, size_t b, int64_t n)
{
    if (metrics)
        atomic_fetch_add_explicit(cell_of(&metrics->rows[metric], a, b), n, memory_order_relaxed);
}

void mr_metrics_set(struct mr_metrics *metrics, size_t metric, size_t a, size_t b, int64_t value)
{
    if (metrics)
        atomic_store_explicit(cell_of(&metrics->rows[metric], a, b), value, memory_order_relaxed);
}

void mr_metrics_observe(struct mr_metrics *metrics, size_t metric, size_t a, size_t b, int64_t us)
{
    if (!metrics)
        return;
    const struct row *row = &metrics->rows[metric];
    _Atomic int64_t *cell = cell_of(row, a, b);
    size_t bucket = 0;
    while (bucket < row->metric.bound_count && us > row->metric.bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&cell[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cell[row->metric.bound_count + 1], us, memory_order_relaxed);
}

/* Backslashes and line ends, in the values of labels also quotation marks. */
static enum mr_status append_escaped(struct mr_buf *out, const char *text, bool is_value, struct mr_err *err)
{
    for (; *text; text++) {
        const char *escape = *text == '\\'              ? "\\\\"
                             : *text == '\n'            ? "\\n"
                             : is_value && *text == '"' ? "\\\""
                                                        : NULL;
        MR_TRY(escape ? mr_buf_append_str(out, escape, err) : mr_buf_append(out, text, 1, err));
    }
    return MR_OK;
}

/* {a="…",b="…",le="…"}, or nothing; bound NULL: no le. */
static enum mr_status append_labels(struct mr_buf *out, const struct row *row, const size_t at[],
                                    const char *bound, struct mr_err *err)
{
    char separator = '{';
    for (size_t i = 0; i < MR_METRIC_LABELS_MAX; i++) {
        const struct mr_metric_label *label = &row->metric.labels[i];
        if (!label->name)
            continue;
        MR_TRY(mr_buf_appendf(out, err, "%c%s=\"", separator, label->name));
        MR_TRY(append_escaped(out, label->values[at[i]], true, err));
        MR_TRY(mr_buf_append_str(out, "\"", err));
        separator = ',';
    }
    if (bound) {
        MR_TRY(mr_buf_appendf(out, err, "%cle=\"%s\"", separator, bound));
        separator = ',';
    }
    return separator == ',' ? mr_buf_append_str(out, "}", err) : MR_OK;
}

static enum mr_status append_sample(struct mr_buf *out, const struct row *row, const char *suffix,
                                    const size_t at[], const char *bound, const char *value,
                                    struct mr_err *err)
{
    MR_TRY(mr_buf_appendf(out, err, "%s%s", row->metric.name, suffix));
    MR_TRY(append_labels(out, row, at, bound, err));
    return mr_buf_appendf(out, err, " %s\n", value);
}

static const char *seconds_text(int64_t us, char out[32])
{
    snprintf(out, 32, "%.15g", (double)us / MICRO);
    return out;
}

static const char *count_text(int64_t count, char out[32])
{
    snprintf(out, 32, "%" PRId64, count);
    return out;
}

/* The count is that of the buckets as they were read, so that the two always agree. */
static enum mr_status append_histogram(struct mr_buf *out, const struct row *row, const size_t at[],
                                       const _Atomic int64_t *cell, struct mr_err *err)
{
    char bound[32], value[32];
    int64_t count = 0;
    for (size_t i = 0; i <= row->metric.bound_count; i++) {
        count += atomic_load_explicit(&cell[i], memory_order_relaxed);
        const char *upper = i < row->metric.bound_count ? seconds_text(row->metric.bounds[i], bound) : "+Inf";
        MR_TRY(append_sample(out, row, "_bucket", at, upper, count_text(count, value), err));
    }
    const int64_t sum = atomic_load_explicit(&cell[row->metric.bound_count + 1], memory_order_relaxed);
    MR_TRY(append_sample(out, row, "_sum", at, NULL, seconds_text(sum, value), err));
    return append_sample(out, row, "_count", at, NULL, count_text(count, value), err);
}

static bool is_empty(const struct row *row, const _Atomic int64_t *cell)
{
    for (size_t i = 0; i < row->width; i++)
        if (atomic_load_explicit(&cell[i], memory_order_relaxed) != 0)
            return false;
    return row->metric.type != MR_METRIC_GAUGE && row->metric.labels[0].name;
}

static enum mr_status append_row(struct mr_buf *out, const struct row *row, struct mr_err *err)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    char value[32];
    MR_TRY(mr_buf_appendf(out, err, "# HELP %s ", row->metric.name));
    MR_TRY(append_escaped(out, row->metric.help, false, err));
    MR_TRY(mr_buf_appendf(out, err, "\n# TYPE %s %s\n", row->metric.name, types[row->metric.type]));
    for (size_t i = 0; i < row->a_count * row->b_count; i++) {
        const size_t at[MR_METRIC_LABELS_MAX] = {i / row->b_count, i % row->b_count};
        const _Atomic int64_t *cell = cell_of(row, at[0], at[1]);
        if (is_empty(row, cell))
            continue;
        if (row->metric.type == MR_METRIC_HISTOGRAM)
            MR_TRY(append_histogram(out, row, at, cell, err));
        else
            MR_TRY(append_sample(out, row, "", at, NULL,
                                 count_text(atomic_load_explicit(cell, memory_order_relaxed), value), err));
    }
    return MR_OK;
}

enum mr_status mr_metrics_write(const struct mr_metrics *metrics, struct mr_buf *out, struct mr_err *err)
{
    for (size_t i = 0; metrics && i < metrics->count; i++)
        MR_TRY(append_row(out, &metrics->rows[i], err));
    return MR_OK;
}
