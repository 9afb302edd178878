/* What the worker measures beside shared/http/http_metrics.h, and its GET /metrics. NULL for the metrics is allowed: nothing is
 * counted then. Any thread. */
#ifndef MR_WORKER_METRICS_H
#define MR_WORKER_METRICS_H

#include "shared/http/http_metrics.h"
#include "worker/job.h"

struct mr_worker_metrics;

/* routes as of mr_http_metrics_new. */
MR_MUST_CHECK enum mr_status mr_worker_metrics_new(const struct mr_route *routes, size_t route_count,
                                                   struct mr_worker_metrics **ret, struct mr_err *err);
void mr_worker_metrics_free(struct mr_worker_metrics *metrics);
MR_DEFINE_CLEANUP(mr_worker_metrics, mr_worker_metrics_free)

/* For the server's options, and for the tracer; NULL for NULL. */
struct mr_http_metrics *mr_worker_metrics_http(struct mr_worker_metrics *metrics);

/* A task was claimed that had waited so long since it was queued. */
void mr_worker_metrics_claimed(struct mr_worker_metrics *metrics, enum mr_lane lane, int64_t waited_us);
/* A claimed task's run has ended after this time. format "": none. */
void mr_worker_metrics_ended(struct mr_worker_metrics *metrics, const char *kind, const char *format,
                             enum mr_job_end end, int64_t us);
/* A push was answered as push_answer.h says. */
void mr_worker_metrics_answered(struct mr_worker_metrics *metrics, enum mr_job_end end);

/* Gauges, of what the worker is like now. Not for NULL. */
void mr_worker_metrics_set_load(struct mr_worker_metrics *metrics, enum mr_lane lane,
                                const struct mr_slots_load *load);
void mr_worker_metrics_set_held(struct mr_worker_metrics *metrics, int held);

/* GET /metrics (metrics_route.c): for who has METRICS_TOKEN. MR_UNAUTHENTICATED; MR_DENIED if there is none. */
mr_handler mr_worker_metrics_handle;

#endif
