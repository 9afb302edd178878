#include "worker/metrics.h"

#include "shared/media/formats.h"
#include "worker/push_answer.h"

enum { FORMATS_MAX = 128 };

enum {
    QUEUE_WAIT = MR_METRICS_COMMON,
    CONVERSIONS,
    JOBS,
    PUSH_ANSWERS,
    SLOTS,
    SLOTS_BUSY,
    PUSHES_WAITING,
    PUSHES_HELD,
    METRICS
};

struct mr_worker_metrics {
    struct mr_http_metrics *http;
    struct mr_metrics *cells; /* of http */
    const char *formats[FORMATS_MAX];
    size_t format_count; /* the last is "other" */
    const char *ends[MR_JOB_ENDS];
};

static const char *const lanes[MR_LANES] = {
    [MR_LANE_NORMAL] = "normal", [MR_LANE_HIGH] = "high", [MR_LANE_DELIVERIES] = "deliveries"};
static const char *const kinds[] = {MR_KIND_CONVERT, MR_KIND_EDIT, MR_KIND_PROBE, MR_KIND_INSERT_RECORDS,
                                    "other"};
static const int answer_statuses[] = {204, 429, 503};
static const char *const answers[] = {"204", "429", "503", "other"};
enum { LANES = MR_LANES, KINDS = sizeof kinds / sizeof *kinds, ANSWERS = sizeof answers / sizeof *answers };

void mr_worker_metrics_free(struct mr_worker_metrics *metrics)
{
    if (!metrics)
        return;
    mr_http_metrics_free(metrics->http);
    free(metrics);
}

static void name_values(struct mr_worker_metrics *metrics)
{
    for (int end = 0; end < MR_JOB_ENDS; end++)
        metrics->ends[end] = mr_job_end_name((enum mr_job_end)end);
    const struct mr_format *format;
    while (metrics->format_count < FORMATS_MAX - 1 && (format = mr_format_at(metrics->format_count)))
        metrics->formats[metrics->format_count++] = format->name;
    metrics->formats[metrics->format_count++] = "other";
}

enum mr_status mr_worker_metrics_new(const struct mr_route *routes, size_t route_count,
                                     struct mr_worker_metrics **ret, struct mr_err *err)
{
    MR_AUTO(mr_worker_metrics) struct mr_worker_metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return mr_fail_oom(err);
    name_values(metrics);
    const struct mr_metric_label lane = {"lane", lanes, LANES}, end = {"end", metrics->ends, MR_JOB_ENDS};
    const struct mr_metric_label format = {"format", metrics->formats, metrics->format_count};
    const struct mr_metric own[METRICS - MR_METRICS_COMMON] = {
        {"mediarun_queue_wait_seconds",
         "Time from when a task was queued to its claim.",
         MR_METRIC_HISTOGRAM,
         {lane},
         mr_metric_bounds_long,
         mr_metric_bounds_long_count},
        {"mediarun_conversion_seconds",
         "Time from the claim to the commit of a conversion, by output format.",
         MR_METRIC_HISTOGRAM,
         {format},
         mr_metric_bounds_long,
         mr_metric_bounds_long_count},
        {"mediarun_jobs_total",
         "Runs of claimed tasks by how they ended.",
         MR_METRIC_COUNTER,
         {{"kind", kinds, KINDS}, end},
         NULL,
         0},
        {"mediarun_push_answers_total",
         "Answers to pushes, by status and by the end of their job.",
         MR_METRIC_COUNTER,
         {{"status", answers, ANSWERS}, end},
         NULL,
         0},
        {"mediarun_slots", "Slots of each lane.", MR_METRIC_GAUGE, {lane}, NULL, 0},
        {"mediarun_slots_busy", "Slots of each lane that run a job.", MR_METRIC_GAUGE, {lane}, NULL, 0},
        {"mediarun_pushes_waiting", "Parked pushes that wait for a slot.", MR_METRIC_GAUGE, {lane}, NULL, 0},
        {"mediarun_pushes_held",
         "Parked pushes whose task another worker runs.",
         MR_METRIC_GAUGE,
         {{0}},
         NULL,
         0},
    };
    MR_TRY(mr_http_metrics_new(routes, route_count, own, METRICS - MR_METRICS_COMMON, &metrics->http, err));
    metrics->cells = mr_http_metrics_cells(metrics->http);
    *ret = MR_TAKE(metrics);
    return MR_OK;
}

struct mr_http_metrics *mr_worker_metrics_http(struct mr_worker_metrics *metrics)
{
    return metrics ? metrics->http : NULL;
}

void mr_worker_metrics_claimed(struct mr_worker_metrics *metrics, enum mr_lane lane, int64_t waited_us)
{
    if (metrics)
        mr_metrics_observe(metrics->cells, QUEUE_WAIT, lane, 0, waited_us);
}

static size_t index_of(const char *const *values, size_t count, const char *value)
{
    size_t i = 0;
    while (i < count - 1 && strcmp(values[i], value) != 0)
        i++;
    return i;
}

void mr_worker_metrics_ended(struct mr_worker_metrics *metrics, const char *kind, const char *format,
                             enum mr_job_end end, int64_t us)
{
    if (!metrics)
        return;
    mr_metrics_add(metrics->cells, JOBS, index_of(kinds, KINDS, kind), (size_t)end, 1);
    if (end == MR_JOB_COMMITTED && format[0])
        mr_metrics_observe(metrics->cells, CONVERSIONS,
                           index_of(metrics->formats, metrics->format_count, format), 0, us);
}

void mr_worker_metrics_answered(struct mr_worker_metrics *metrics, enum mr_job_end end)
{
    if (!metrics)
        return;
    size_t status = 0;
    while (status < ANSWERS - 1 && answer_statuses[status] != mr_push_answer(end))
        status++;
    mr_metrics_add(metrics->cells, PUSH_ANSWERS, status, (size_t)end, 1);
}

void mr_worker_metrics_set_load(struct mr_worker_metrics *metrics, enum mr_lane lane,
                                const struct mr_slots_load *load)
{
    mr_metrics_set(metrics->cells, SLOTS, lane, 0, load->slots);
    mr_metrics_set(metrics->cells, SLOTS_BUSY, lane, 0, load->busy);
    mr_metrics_set(metrics->cells, PUSHES_WAITING, lane, 0, load->waiting);
}

void mr_worker_metrics_set_held(struct mr_worker_metrics *metrics, int held)
{
    mr_metrics_set(metrics->cells, PUSHES_HELD, 0, 0, held);
}
