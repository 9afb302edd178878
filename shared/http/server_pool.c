#include "shared/http/server_pool.h"

enum { STACK_BYTES = 2 * 1024 * 1024 }; /* of address space; only used pages take memory */

struct mr_pool {
    void (*serve)(struct mr_connection *conn);
    int queue_max;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* All fields below are protected by lock. */
    struct mr_connection *first, *last;
    int queued;
    bool ended;
    int count;
    pthread_t threads[];
};

static struct mr_connection *take_locked(struct mr_pool *pool)
{
    struct mr_connection *conn = pool->first;
    pool->first = conn->next_queued;
    if (!pool->first)
        pool->last = NULL;
    pool->queued--;
    conn->next_queued = NULL;
    return conn;
}

static void *thread_main(void *arg)
{
    struct mr_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->ended)
            pthread_cond_wait(&pool->changed, &pool->lock);
        if (pool->ended)
            break;
        struct mr_connection *conn = take_locked(pool);
        pthread_mutex_unlock(&pool->lock);
        pool->serve(conn);
        pthread_mutex_lock(&pool->lock);
        conn->is_served = true;
        pthread_cond_signal(&conn->served);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static enum mr_status start_threads(struct mr_pool *pool, int count, struct mr_err *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int fault = 0;
    while (!fault && pool->count < count) {
        fault = pthread_create(&pool->threads[pool->count], &attributes, thread_main, pool);
        pool->count += !fault;
    }
    pthread_attr_destroy(&attributes);
    return fault ? mr_fail_errno(err, MR_EXHAUSTED, fault, "start a request thread") : MR_OK;
}

enum mr_status mr_pool_start(int count, int queue_max, void (*serve)(struct mr_connection *conn),
                             struct mr_pool **ret, struct mr_err *err)
{
    struct mr_pool *pool = calloc(1, sizeof *pool + (size_t)count * sizeof *pool->threads);
    if (!pool)
        return mr_fail_oom(err);
    pool->serve = serve;
    pool->queue_max = queue_max;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    enum mr_status status = start_threads(pool, count, err);
    if (status != MR_OK) {
        mr_pool_stop(pool);
        return status;
    }
    *ret = pool;
    return MR_OK;
}

void mr_pool_stop(struct mr_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ended = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static void append_locked(struct mr_pool *pool, struct mr_connection *conn)
{
    conn->is_served = false;
    conn->next_queued = NULL;
    *(pool->last ? &pool->last->next_queued : &pool->first) = conn;
    pool->last = conn;
    pool->queued++;
    pthread_cond_signal(&pool->changed);
}

bool mr_pool_run(struct mr_pool *pool, struct mr_connection *conn)
{
    pthread_mutex_lock(&pool->lock);
    bool room = pool->queued < pool->queue_max;
    if (room)
        append_locked(pool, conn);
    while (room && !conn->is_served)
        pthread_cond_wait(&conn->served, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return room;
}
