#include "shared/data/pool_metrics.h"

static void waited(void *ctx, int64_t us)
{
    mr_metrics_observe(ctx, MR_METRIC_DATABASE_WAIT, 0, 0, us);
}

void mr_pool_metrics_watch(struct mr_db *db, struct mr_http_metrics *metrics)
{
    mr_db_observe(db, waited, mr_http_metrics_cells(metrics));
}

void mr_pool_metrics_read(struct mr_db *db, struct mr_http_metrics *metrics)
{
    int used = 0, idle = 0;
    mr_db_usage(db, &used, &idle);
    mr_metrics_set(mr_http_metrics_cells(metrics), MR_METRIC_DATABASE_CONNECTIONS, 0, 0, used);
    mr_metrics_set(mr_http_metrics_cells(metrics), MR_METRIC_DATABASE_CONNECTIONS, 1, 0, idle);
}
