#include "worker/others.h"

#include "shared/base/clock.h"
#include "shared/data/waiting.h"

enum { KEPT_US = 250 * 1000 };

void mr_others_init(struct mr_others *others)
{
    *others = (struct mr_others){0};
    pthread_mutex_init(&others->lock, NULL);
}

void mr_others_destroy(struct mr_others *others)
{
    pthread_mutex_destroy(&others->lock);
}

static bool recollect(struct mr_others *others, int64_t user, bool high, bool *ret)
{
    const int64_t now_us = mr_time_monotonic_us();
    bool found = false;
    pthread_mutex_lock(&others->lock);
    for (size_t i = 0; i < MR_OTHERS_KNOWN && !found; i++) {
        found = others->known[i].user == user && others->known[i].high == high &&
                now_us < others->known[i].until_us;
        if (found)
            *ret = others->known[i].wait;
    }
    pthread_mutex_unlock(&others->lock);
    return found;
}

enum mr_status mr_others_wait(struct mr_others *others, struct mr_db *db, int64_t user, bool high, bool *ret,
                              struct mr_err *err)
{
    if (recollect(others, user, high, ret))
        return MR_OK;
    MR_TRY(mr_waiting_has_others(db, user, high, ret, err));
    pthread_mutex_lock(&others->lock);
    const size_t place = others->next;
    others->next = (place + 1) % MR_OTHERS_KNOWN;
    others->known[place].user = user;
    others->known[place].high = high;
    others->known[place].wait = *ret;
    others->known[place].until_us = mr_time_monotonic_us() + KEPT_US;
    pthread_mutex_unlock(&others->lock);
    return MR_OK;
}
