#include "worker/costs.h"

#include "shared/base/clock.h"
#include "shared/data/work_costs.h"

enum { FRESH_US = 600 * 1000 * 1000 };

void mr_costs_init(struct mr_costs *costs)
{
    *costs = (struct mr_costs){0};
    pthread_mutex_init(&costs->lock, NULL);
}

void mr_costs_destroy(struct mr_costs *costs)
{
    json_decref(costs->known);
    pthread_mutex_destroy(&costs->lock);
}

/* One thread reads; others go on with what is known. */
static bool is_due(struct mr_costs *costs)
{
    int64_t now_us = mr_time_monotonic_us();
    pthread_mutex_lock(&costs->lock);
    bool due = costs->read_us == 0 || now_us - costs->read_us > FRESH_US;
    if (due)
        costs->read_us = now_us;
    pthread_mutex_unlock(&costs->lock);
    return due;
}

static void refresh(struct mr_costs *costs, struct mr_db *db, const struct mr_log *log)
{
    json_t *read = NULL;
    struct mr_err err = {0};
    if (mr_work_costs_read(db, &read, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_WARNING, "cannot read what encoders cost", &err, NULL);
        return;
    }
    pthread_mutex_lock(&costs->lock);
    json_t *before = costs->known;
    costs->known = read;
    pthread_mutex_unlock(&costs->lock);
    json_decref(before);
}

json_t *mr_costs_get(struct mr_costs *costs, struct mr_db *db, const struct mr_log *log)
{
    if (is_due(costs))
        refresh(costs, db, log);
    pthread_mutex_lock(&costs->lock);
    json_t *copy = json_deep_copy(costs->known);
    pthread_mutex_unlock(&costs->lock);
    return copy;
}
