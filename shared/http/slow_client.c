#include "shared/http/slow_client.h"

#include "shared/base/clock.h"

#include <pthread.h>
#include <sys/socket.h>

struct mr_slow_clients {
    int64_t timeout_us;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    struct mr_watch *first, *last; /* oldest first, which is also the order of their deadlines */
    bool idle;                     /* the watchdog waits without a deadline */
    bool ended;
};

static void unlink_locked(struct mr_slow_clients *guard, struct mr_watch *watch)
{
    *(watch->prev ? &watch->prev->next : &guard->first) = watch->next;
    *(watch->next ? &watch->next->prev : &guard->last) = watch->prev;
    watch->prev = watch->next = NULL;
    watch->watched = false;
}

static void append_locked(struct mr_slow_clients *guard, struct mr_watch *watch)
{
    watch->next = NULL;
    watch->prev = guard->last;
    *(guard->last ? &guard->last->next : &guard->first) = watch;
    guard->last = watch;
    watch->watched = true;
}

/* The descriptor cannot be closed now: its owner must take the lock first, to end the watch. */
static void shut_overdue_locked(struct mr_slow_clients *guard, int64_t now_us)
{
    while (guard->first && guard->first->due_us <= now_us) {
        struct mr_watch *watch = guard->first;
        unlink_locked(guard, watch);
        watch->overdue = true;
        shutdown(watch->fd, watch->how);
    }
}

static void wait_until_locked(struct mr_slow_clients *guard, int64_t due_us)
{
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    pthread_cond_timedwait(&guard->changed, &guard->lock, &due);
}

static void *watchdog(void *arg)
{
    struct mr_slow_clients *guard = arg;
    pthread_mutex_lock(&guard->lock);
    while (!guard->ended) {
        shut_overdue_locked(guard, mr_time_monotonic_us());
        if (guard->first) {
            wait_until_locked(guard, guard->first->due_us);
        } else {
            guard->idle = true;
            pthread_cond_wait(&guard->changed, &guard->lock);
            guard->idle = false;
        }
    }
    pthread_mutex_unlock(&guard->lock);
    return NULL;
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum mr_status mr_slow_clients_new(int timeout_ms, struct mr_slow_clients **ret, struct mr_err *err)
{
    struct mr_slow_clients *guard = calloc(1, sizeof *guard);
    if (!guard)
        return mr_fail_oom(err);
    guard->timeout_us = (int64_t)timeout_ms * 1000;
    pthread_mutex_init(&guard->lock, NULL);
    init_condition(&guard->changed);
    int fault = pthread_create(&guard->thread, NULL, watchdog, guard);
    if (fault) {
        pthread_cond_destroy(&guard->changed);
        pthread_mutex_destroy(&guard->lock);
        free(guard);
        return mr_fail_errno(err, MR_EXHAUSTED, fault, "start the watchdog of slow clients");
    }
    *ret = guard;
    return MR_OK;
}

void mr_slow_clients_free(struct mr_slow_clients *guard)
{
    if (!guard)
        return;
    pthread_mutex_lock(&guard->lock);
    guard->ended = true;
    pthread_cond_signal(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
    pthread_join(guard->thread, NULL);
    pthread_cond_destroy(&guard->changed);
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

void mr_slow_clients_begin(struct mr_slow_clients *guard, struct mr_watch *watch, int fd, int how)
{
    *watch = (struct mr_watch){.fd = fd, .how = how};
    if (fd < 0)
        return;
    pthread_mutex_lock(&guard->lock);
    /* Read under the lock, so that the list stays in the order of the deadlines. */
    watch->due_us = mr_time_monotonic_us() + guard->timeout_us;
    append_locked(guard, watch);
    if (guard->idle)
        pthread_cond_signal(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
}

bool mr_slow_clients_end(struct mr_slow_clients *guard, struct mr_watch *watch)
{
    if (watch->fd < 0)
        return false;
    pthread_mutex_lock(&guard->lock);
    if (watch->watched)
        unlink_locked(guard, watch);
    pthread_mutex_unlock(&guard->lock);
    return watch->overdue;
}
