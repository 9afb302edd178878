/* GET /metrics of the worker. */
#include "shared/data/pool_metrics.h"
#include "worker/dispatcher.h"
#include "worker/metrics.h"

static void read_gauges(struct mr_worker *worker)
{
    mr_pool_metrics_read(worker->db, mr_worker_metrics_http(worker->metrics));
    for (enum mr_lane lane = MR_LANE_NORMAL; lane < MR_LANES; lane++) {
        const struct mr_slots_load load = mr_slots_load_of(&worker->slots, lane);
        mr_worker_metrics_set_load(worker->metrics, lane, &load);
    }
    mr_worker_metrics_set_held(worker->metrics, mr_dispatcher_held(worker->dispatcher));
}

enum mr_status mr_worker_metrics_handle(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_worker *worker = app;
    const char *token = worker->config->metrics_token;
    if (!token[0])
        return mr_fail(err, MR_DENIED, "METRICS_TOKEN is not set: nobody may read the metrics");
    if (!mr_http_metrics_is_token(req, token))
        return mr_fail(err, MR_UNAUTHENTICATED, "Authorization: Bearer METRICS_TOKEN is required");
    read_gauges(worker);
    return mr_http_metrics_respond(mr_worker_metrics_http(worker->metrics), req, err);
}
