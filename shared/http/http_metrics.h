/*
 * What web and worker both measure (requests, the database pool, exported spans), beside what is each one's own; and
 * the answer of GET /metrics. The server counts its requests here (server.h). Any thread.
 */
#ifndef MR_HTTP_HTTP_METRICS_H
#define MR_HTTP_HTTP_METRICS_H

#include "shared/base/metrics.h"
#include "shared/http/server.h"

/* Indices of the metrics of both; a program's own follow from MR_METRICS_COMMON on. */
enum {
    MR_METRIC_BUILD,
    MR_METRIC_REQUESTS,
    MR_METRIC_REQUEST_SECONDS,
    MR_METRIC_DATABASE_CONNECTIONS, /* gauge, by state: 0 used, 1 idle */
    MR_METRIC_DATABASE_WAIT,
    MR_METRIC_SPANS, /* by outcome: 0 exported, 1 dropped */
    MR_METRICS_COMMON
};

struct mr_http_metrics;

/* routes: of the server; own: the program's metrics, whose texts and lists must outlive *ret, as must the routes. */
MR_MUST_CHECK enum mr_status mr_http_metrics_new(const struct mr_route *routes, size_t route_count,
                                                 const struct mr_metric *own, size_t own_count,
                                                 struct mr_http_metrics **ret, struct mr_err *err);
void mr_http_metrics_free(struct mr_http_metrics *metrics);
MR_DEFINE_CLEANUP(mr_http_metrics, mr_http_metrics_free)

/* The counters; NULL for NULL. */
struct mr_metrics *mr_http_metrics_cells(struct mr_http_metrics *metrics);

/* Counts an answered request. route NULL: none fits its path. metrics may be NULL. */
void mr_http_metrics_answered(struct mr_http_metrics *metrics, const struct mr_route *route, int http_status,
                              int64_t us);

/* True if the request has this token as `Authorization: Bearer`; never for an empty token. Takes the same time wherever the
 * two differ. */
bool mr_http_metrics_is_token(const struct mr_request *req, const char *token);

/* Answers with all metrics. */
MR_MUST_CHECK enum mr_status mr_http_metrics_respond(const struct mr_http_metrics *metrics,
                                                     struct mr_request *req, struct mr_err *err);

#endif
