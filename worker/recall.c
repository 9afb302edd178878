#include "worker/recall.h"

#include "shared/data/recall.h"

enum { RECALLED_PER_SLOT = 8, RECALLED_PER_END = 2 };
static const enum mr_lane lanes[] = {MR_LANE_HIGH, MR_LANE_NORMAL};

void mr_recalls_init(struct mr_recalls *recalls)
{
    *recalls = (struct mr_recalls){0};
    pthread_mutex_init(&recalls->lock, NULL);
}

void mr_recalls_destroy(struct mr_recalls *recalls)
{
    pthread_mutex_destroy(&recalls->lock);
}

void mr_recalls_note_put_off(struct mr_recalls *recalls)
{
    pthread_mutex_lock(&recalls->lock);
    recalls->pending = true;
    pthread_mutex_unlock(&recalls->lock);
}

void mr_recalls_note_unit_put_off(struct mr_recalls *recalls)
{
    pthread_mutex_lock(&recalls->lock);
    recalls->units_pending = true;
    pthread_mutex_unlock(&recalls->lock);
}

void mr_recalls_note_end(struct mr_recalls *recalls, bool is_unit)
{
    pthread_mutex_lock(&recalls->lock);
    recalls->ended++;
    recalls->units_ended += is_unit;
    pthread_mutex_unlock(&recalls->lock);
}

bool mr_recalls_pending(struct mr_recalls *recalls)
{
    pthread_mutex_lock(&recalls->lock);
    bool pending = recalls->pending || recalls->units_pending;
    pthread_mutex_unlock(&recalls->lock);
    return pending;
}

/* False if there were fewer than max. */
static bool recall(struct mr_worker *worker, enum mr_lane lane, size_t max)
{
    struct mr_err err;
    size_t count = 0;
    if (max == 0)
        return true;
    if (mr_recall(worker->db, &worker->publisher, lane == MR_LANE_HIGH, max, MR_PUBLISH_JOB_MS, &count,
                  &err) == MR_OK)
        return count == max;
    mr_log_err(worker->log, MR_LOG_WARNING, "cannot recall tasks that were put off", &err, NULL);
    return true;
}

/* True if there were any: then more may be there. */
static bool recall_units(struct mr_worker *worker, enum mr_lane lane, size_t max)
{
    struct mr_err err;
    size_t count = 0;
    if (max == 0)
        return false;
    if (mr_recall_units(worker->db, &worker->publisher, lane == MR_LANE_HIGH, max, MR_PUBLISH_JOB_MS, &count,
                        &err) == MR_OK)
        return count > 0;
    mr_log_err(worker->log, MR_LOG_WARNING, "cannot recall units that were put off", &err, NULL);
    return true;
}

void mr_recalls_for_idle_slots(struct mr_recalls *recalls, struct mr_worker *worker)
{
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        int idle = mr_slots_idle(&worker->slots, lanes[i]);
        if (idle > 0 && recall(worker, lanes[i], (size_t)idle * RECALLED_PER_SLOT))
            mr_recalls_note_put_off(recalls); /* by whichever worker: more are there */
        if (idle > 0 && recall_units(worker, lanes[i], (size_t)idle))
            mr_recalls_note_unit_put_off(recalls);
    }
}

static bool recall_units_for(struct mr_worker *worker, size_t ended)
{
    bool more = false;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
        more |= recall_units(worker, lanes[i], ended);
    return more;
}

static bool recall_for(struct mr_worker *worker, size_t max)
{
    bool more = false;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        size_t room = (size_t)mr_slots_room(&worker->slots, lanes[i]);
        more |= recall(worker, lanes[i], room < max ? room : max);
    }
    return more;
}

void mr_recalls_for_ended(struct mr_recalls *recalls, struct mr_worker *worker)
{
    pthread_mutex_lock(&recalls->lock);
    const size_t ended = recalls->ended, units_ended = recalls->units_ended;
    const bool tasks = recalls->pending && ended, units = recalls->units_pending && units_ended;
    recalls->ended = recalls->units_ended = 0;
    recalls->pending &= !tasks; /* a push that is put off meanwhile sets it again */
    recalls->units_pending &= !units;
    pthread_mutex_unlock(&recalls->lock);
    if (tasks && recall_for(worker, ended * RECALLED_PER_END))
        mr_recalls_note_put_off(recalls);
    if (units && recall_units_for(worker, units_ended))
        mr_recalls_note_unit_put_off(recalls);
}
