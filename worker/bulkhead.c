#include "worker/bulkhead.h"

#include "shared/base/clock.h"

#include <pthread.h>
#include <stdlib.h>

enum { SHARE = 2, SLOW_SHARE = 4, REMEMBERED = 64 };

struct user {
    int64_t id;
    int running;
    bool slow;
    int64_t full_since_us; /* when the last webhook that there was room for was begun */
};

struct mr_bulkhead {
    int max;      /* concurrent webhooks of a user */
    int slow_max; /* of a slow one */
    int wait_ms;
    size_t capacity;
    pthread_mutex_t lock; /* protects all fields below */
    pthread_cond_t left;
    size_t count;
    struct user users[]; /* with running webhooks, or known as slow */
};

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum mr_status mr_bulkhead_new(int slots, int wait_ms, struct mr_bulkhead **ret, struct mr_err *err)
{
    size_t capacity = (size_t)slots + REMEMBERED;
    struct mr_bulkhead *bulkhead = calloc(1, sizeof *bulkhead + capacity * sizeof *bulkhead->users);
    if (!bulkhead)
        return mr_fail_oom(err);
    bulkhead->capacity = capacity;
    bulkhead->max = slots / SHARE > 0 ? slots / SHARE : 1;
    bulkhead->slow_max = slots / SLOW_SHARE > 0 ? slots / SLOW_SHARE : 1;
    bulkhead->wait_ms = wait_ms;
    pthread_mutex_init(&bulkhead->lock, NULL);
    init_condition(&bulkhead->left);
    *ret = bulkhead;
    return MR_OK;
}

void mr_bulkhead_free(struct mr_bulkhead *bulkhead)
{
    if (!bulkhead)
        return;
    pthread_cond_destroy(&bulkhead->left);
    pthread_mutex_destroy(&bulkhead->lock);
    free(bulkhead);
}

static struct user *find_locked(struct mr_bulkhead *bulkhead, int64_t user_id)
{
    for (size_t i = 0; i < bulkhead->count; i++)
        if (bulkhead->users[i].id == user_id)
            return &bulkhead->users[i];
    return NULL;
}

/* A new entry; if there is no room, it replaces one without running webhooks. NULL if all are running. */
static struct user *add_locked(struct mr_bulkhead *bulkhead, int64_t user_id)
{
    struct user *place = NULL;
    if (bulkhead->count < bulkhead->capacity)
        place = &bulkhead->users[bulkhead->count++];
    for (size_t i = 0; !place && i < bulkhead->count; i++)
        if (bulkhead->users[i].running == 0)
            place = &bulkhead->users[i];
    if (place)
        *place = (struct user){.id = user_id};
    return place;
}

static struct user *find_or_add_locked(struct mr_bulkhead *bulkhead, int64_t user_id)
{
    struct user *user = find_locked(bulkhead, user_id);
    return user ? user : add_locked(bulkhead, user_id);
}

static bool has_room(const struct mr_bulkhead *bulkhead, const struct user *user)
{
    return user->running < (user->slow ? bulkhead->slow_max : bulkhead->max);
}

/* How much longer another webhook may wait for room; 0: no longer. */
static int wait_left_ms(const struct mr_bulkhead *bulkhead, const struct user *user)
{
    int64_t full_ms = (mr_time_monotonic_us() - user->full_since_us) / 1000;
    return user->slow || full_ms >= bulkhead->wait_ms ? 0 : bulkhead->wait_ms - (int)full_ms;
}

bool mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id)
{
    pthread_mutex_lock(&bulkhead->lock);
    struct user *user = find_or_add_locked(bulkhead, user_id);
    for (int left_ms; user && !has_room(bulkhead, user) && (left_ms = wait_left_ms(bulkhead, user));) {
        const struct timespec until = mr_time_deadline(left_ms);
        pthread_cond_timedwait(&bulkhead->left, &bulkhead->lock, &until);
        user = find_or_add_locked(bulkhead, user_id); /* it may have moved */
    }
    bool entered = user && has_room(bulkhead, user);
    if (entered) {
        user->running++;
        user->full_since_us = mr_time_monotonic_us();
    }
    pthread_mutex_unlock(&bulkhead->lock);
    return entered;
}

void mr_bulkhead_leave(struct mr_bulkhead *bulkhead, int64_t user_id, bool slow)
{
    pthread_mutex_lock(&bulkhead->lock);
    struct user *user = find_locked(bulkhead, user_id);
    user->running--;
    user->slow = slow;
    if (!user->running && !slow)
        *user = bulkhead->users[--bulkhead->count];
    pthread_cond_broadcast(&bulkhead->left);
    pthread_mutex_unlock(&bulkhead->lock);
}
