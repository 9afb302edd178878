#include "web/storage_health.h"

#include "shared/base/clock.h"

/* True if the caller is to ask. */
static bool begin(struct mr_storage_health *health, struct mr_storage_facts *ret_facts)
{
    const int64_t now_us = mr_time_monotonic_us();
    pthread_mutex_lock(&health->lock);
    const bool is_old =
        !health->facts.is_known || now_us - health->asked_us > MR_STORAGE_HEALTH_MS * INT64_C(1000);
    const bool asks = is_old && !health->is_busy;
    if (asks)
        health->is_busy = true;
    *ret_facts = health->facts;
    pthread_mutex_unlock(&health->lock);
    return asks;
}

static void end(struct mr_storage_health *health, struct mr_storage_facts facts)
{
    pthread_mutex_lock(&health->lock);
    health->is_busy = false;
    health->asked_us = mr_time_monotonic_us();
    health->facts = facts;
    pthread_mutex_unlock(&health->lock);
}

/* An object of this name does not exist: that storage says so is the answer that is hoped for. */
static struct mr_storage_facts ask(struct mr_storage *storage, const struct mr_log *log)
{
    struct mr_object object;
    struct mr_err err = {0};
    const int64_t began_us = mr_time_monotonic_us();
    const enum mr_status status = mr_storage_stat(storage, "health", &object, &err);
    const bool answers = status == MR_OK || status == MR_NOT_FOUND;
    if (!answers)
        mr_log_err(log, MR_LOG_ERROR, "storage does not answer", &err, NULL);
    return (struct mr_storage_facts){
        .is_known = true, .answers = answers, .ms = (mr_time_monotonic_us() - began_us) / 1000};
}

struct mr_storage_facts mr_storage_health_look(struct mr_storage_health *health, struct mr_storage *storage,
                                               const struct mr_log *log)
{
    struct mr_storage_facts facts;
    if (!begin(health, &facts))
        return facts;
    facts = ask(storage, log);
    end(health, facts);
    return facts;
}
