/* Measures the database pool: mediarun_database_* of shared/http/http_metrics.h. Any thread. */
#ifndef MR_DATA_POOL_METRICS_H
#define MR_DATA_POOL_METRICS_H

#include "shared/data/db.h"
#include "shared/http/http_metrics.h"

/* Counts from now on how long calls wait for a connection. Before the first call; metrics must outlive db. */
void mr_pool_metrics_watch(struct mr_db *db, struct mr_http_metrics *metrics);
/* Reads how many connections are used now. */
void mr_pool_metrics_read(struct mr_db *db, struct mr_http_metrics *metrics);

#endif
