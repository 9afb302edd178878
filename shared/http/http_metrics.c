#include "shared/http/http_metrics.h"

#include "shared/base/version.h"
#include "shared/http/problem.h"

#include <openssl/crypto.h>
#include <strings.h>

enum { TEXT_MAX = 4 << 20, ROUTE_TEXT_MAX = 128, STATUSES_MAX = 64, STATUS_TEXT_MAX = 8 };

struct mr_http_metrics {
    struct mr_metrics *cells;
    const struct mr_route *routes;
    size_t route_count, status_count;
    char (*route_texts)[ROUTE_TEXT_MAX]; /* "GET /api/tasks"; the last is "other" */
    const char **route_values;
    char status_texts[STATUSES_MAX][STATUS_TEXT_MAX]; /* the last is "other" */
    const char *status_values[STATUSES_MAX];
};

static const char *const versions[] = {mr_version};
static const char *const connection_states[] = {"used", "idle"};
static const char *const span_outcomes[] = {"exported", "dropped"};

void mr_http_metrics_free(struct mr_http_metrics *metrics)
{
    if (!metrics)
        return;
    mr_metrics_free(metrics->cells);
    free(metrics->route_texts);
    free(metrics->route_values);
    free(metrics);
}

static enum mr_status name_routes(struct mr_http_metrics *metrics, struct mr_err *err)
{
    const size_t count = metrics->route_count + 1;
    metrics->route_texts = calloc(count, sizeof *metrics->route_texts);
    metrics->route_values = calloc(count, sizeof *metrics->route_values);
    if (!metrics->route_texts || !metrics->route_values)
        return mr_fail_oom(err);
    for (size_t i = 0; i < count; i++) {
        const bool is_other = i == metrics->route_count;
        snprintf(metrics->route_texts[i], ROUTE_TEXT_MAX, "%s%s%s", is_other ? "" : metrics->routes[i].method,
                 is_other ? "" : " ", is_other ? "other" : metrics->routes[i].pattern);
        metrics->route_values[i] = metrics->route_texts[i];
    }
    return MR_OK;
}

static void name_statuses(struct mr_http_metrics *metrics)
{
    size_t count = 0;
    for (; count < STATUSES_MAX - 1 && mr_http_status_at(count); count++)
        snprintf(metrics->status_texts[count], STATUS_TEXT_MAX, "%d", mr_http_status_at(count));
    snprintf(metrics->status_texts[count++], STATUS_TEXT_MAX, "other");
    for (size_t i = 0; i < count; i++)
        metrics->status_values[i] = metrics->status_texts[i];
    metrics->status_count = count;
}

struct metric_table {
    struct mr_metric *rows;
};
static void metric_table_free(struct metric_table *table)
{
    free(table->rows);
}
MR_DEFINE_VALUE_CLEANUP(metric_table, metric_table_free)

static enum mr_status make_cells(struct mr_http_metrics *metrics, const struct mr_metric *own,
                                 size_t own_count, struct mr_err *err)
{
    const struct mr_metric_label routes = {"route", metrics->route_values, metrics->route_count + 1};
    const struct mr_metric_label statuses = {"status", metrics->status_values, metrics->status_count};
    const struct mr_metric common[MR_METRICS_COMMON] = {
        [MR_METRIC_BUILD] = {"mediarun_build_info",
                             "The version that runs.",
                             MR_METRIC_GAUGE,
                             {{"version", versions, 1}},
                             NULL,
                             0},
        [MR_METRIC_REQUESTS] = {"mediarun_http_requests_total",
                                "Answered requests.",
                                MR_METRIC_COUNTER,
                                {routes, statuses},
                                NULL,
                                0},
        [MR_METRIC_REQUEST_SECONDS] = {"mediarun_http_request_seconds",
                                       "Time from the head of a request to the end of its answer.",
                                       MR_METRIC_HISTOGRAM,
                                       {routes},
                                       mr_metric_bounds_short,
                                       mr_metric_bounds_short_count},
        [MR_METRIC_DATABASE_CONNECTIONS] = {"mediarun_database_connections",
                                            "Places of the database pool by what they do.",
                                            MR_METRIC_GAUGE,
                                            {{"state", connection_states, 2}},
                                            NULL,
                                            0},
        [MR_METRIC_DATABASE_WAIT] = {"mediarun_database_wait_seconds",
                                     "Time that calls waited for a place of the pool.",
                                     MR_METRIC_HISTOGRAM,
                                     {{0}},
                                     mr_metric_bounds_short,
                                     mr_metric_bounds_short_count},
        [MR_METRIC_SPANS] = {"mediarun_spans_total",
                             "Spans of traces by what became of them.",
                             MR_METRIC_COUNTER,
                             {{"outcome", span_outcomes, 2}},
                             NULL,
                             0},
    };
    MR_AUTO(metric_table) struct metric_table all = {calloc(MR_METRICS_COMMON + own_count, sizeof *all.rows)};
    if (!all.rows)
        return mr_fail_oom(err);
    memcpy(all.rows, common, sizeof common);
    if (own_count)
        memcpy(all.rows + MR_METRICS_COMMON, own, own_count * sizeof *own);
    MR_TRY(mr_metrics_new(all.rows, MR_METRICS_COMMON + own_count, &metrics->cells, err));
    mr_metrics_set(metrics->cells, MR_METRIC_BUILD, 0, 0, 1);
    return MR_OK;
}

enum mr_status mr_http_metrics_new(const struct mr_route *routes, size_t route_count,
                                   const struct mr_metric *own, size_t own_count,
                                   struct mr_http_metrics **ret, struct mr_err *err)
{
    MR_AUTO(mr_http_metrics) struct mr_http_metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return mr_fail_oom(err);
    metrics->routes = routes;
    metrics->route_count = route_count;
    MR_TRY(name_routes(metrics, err));
    name_statuses(metrics);
    MR_TRY(make_cells(metrics, own, own_count, err));
    *ret = MR_TAKE(metrics);
    return MR_OK;
}

struct mr_metrics *mr_http_metrics_cells(struct mr_http_metrics *metrics)
{
    return metrics ? metrics->cells : NULL;
}

static size_t status_index(const struct mr_http_metrics *metrics, int http_status)
{
    size_t i = 0;
    while (i < metrics->status_count - 1 && mr_http_status_at(i) != http_status)
        i++;
    return i;
}

void mr_http_metrics_answered(struct mr_http_metrics *metrics, const struct mr_route *route, int http_status,
                              int64_t us)
{
    if (!metrics)
        return;
    const size_t at = route ? (size_t)(route - metrics->routes) : metrics->route_count;
    mr_metrics_add(metrics->cells, MR_METRIC_REQUESTS, at, status_index(metrics, http_status), 1);
    mr_metrics_observe(metrics->cells, MR_METRIC_REQUEST_SECONDS, at, 0, us);
}

bool mr_http_metrics_is_token(const struct mr_request *req, const char *token)
{
    const char *header = mr_request_header(req, "Authorization");
    if (!token[0] || !header || strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    header += 7 + strspn(header + 7, " ");
    const size_t len = strlen(token);
    return strlen(header) == len && CRYPTO_memcmp(header, token, len) == 0;
}

enum mr_status mr_http_metrics_respond(const struct mr_http_metrics *metrics, struct mr_request *req,
                                       struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(TEXT_MAX);
    MR_TRY(mr_metrics_write(metrics->cells, &text, err));
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_bytes(req, 200, MR_METRICS_TYPE, mr_buf_str(&text), text.len, err);
}
