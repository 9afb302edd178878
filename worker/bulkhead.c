#include "worker/bulkhead.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLOW_SHARE = 4, REMEMBERED = 64 };

struct user {
    int64_t id;
    int running;
    bool slow;
};

struct mr_bulkhead {
    int slow_max; /* concurrent webhooks of a slow user */
    size_t capacity;
    pthread_mutex_t lock; /* protects all fields below */
    size_t count;
    struct user users[]; /* with running webhooks, or known as slow */
};

enum mr_status mr_bulkhead_new(int slots, struct mr_bulkhead **ret, struct mr_err *err)
{
    size_t capacity = (size_t)slots + REMEMBERED;
    struct mr_bulkhead *bulkhead = calloc(1, sizeof *bulkhead + capacity * sizeof *bulkhead->users);
    if (!bulkhead)
        return mr_fail_oom(err);
    bulkhead->capacity = capacity;
    bulkhead->slow_max = slots / SLOW_SHARE > 0 ? slots / SLOW_SHARE : 1;
    pthread_mutex_init(&bulkhead->lock, NULL);
    *ret = bulkhead;
    return MR_OK;
}

void mr_bulkhead_free(struct mr_bulkhead *bulkhead)
{
    if (!bulkhead)
        return;
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

bool mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id)
{
    pthread_mutex_lock(&bulkhead->lock);
    struct user *user = find_locked(bulkhead, user_id);
    if (!user)
        user = add_locked(bulkhead, user_id);
    bool entered = user && !(user->slow && user->running >= bulkhead->slow_max);
    if (entered)
        user->running++;
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
    pthread_mutex_unlock(&bulkhead->lock);
}
