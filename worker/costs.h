/*
 * What encoders cost on this system's processors, as the last tasks' receipts say (shared/data/work_costs.h): by it a
 * conversion is cut into units. Read once in a while, by the job that needs it. Any thread may call.
 */
#ifndef MR_WORKER_COSTS_H
#define MR_WORKER_COSTS_H

#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/data/db.h"

#include <pthread.h>

struct mr_costs {
    pthread_mutex_t lock; /* protects the next two */
    json_t *known;        /* as mr_work_costs_read gives it; NULL: nothing yet */
    int64_t read_us;      /* when it was last read, or is being read; 0: never */
};

void mr_costs_init(struct mr_costs *costs);
void mr_costs_destroy(struct mr_costs *costs);
/* A copy, which the caller owns; NULL: nothing is known. A read that fails is logged, and what was known before stays. */
json_t *mr_costs_get(struct mr_costs *costs, struct mr_db *db, const struct mr_log *log);

#endif
