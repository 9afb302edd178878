#include "shared/http/server_pool.h"

enum { STACK_BYTES = 2 * 1024 * 1024 /* of address space; only used pages take memory */, PERCENT = 100 };

struct mr_pool {
    void (*serve)(struct mr_connection *conn);
    struct mr_pool_bounds bounds;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* All fields below are protected by lock. */
    struct mr_connections queue, served;
    int queued;
    bool ended;
    int idle;  /* threads that wait for a connection */
    int count; /* of threads; more start as they are needed */
    pthread_t threads[];
};

static int count_client(const struct mr_connections *list, const char *remote)
{
    int count = 0;
    const struct mr_connection *conn;
    TAILQ_FOREACH(conn, list, in_pool)
    {
        count += strcmp(conn->remote, remote) == 0;
    }
    return count;
}

/* True if the client may have one more of `whole` threads or places. */
static bool has_share_left(const struct mr_pool *pool, const struct mr_connections *list, const char *remote,
                           int whole)
{
    if (pool->bounds.share_percent >= PERCENT)
        return true;
    const int share = whole * pool->bounds.share_percent / PERCENT;
    return count_client(list, remote) < (share > 1 ? share : 1);
}

/* NULL if nobody waits who may have a thread. */
static struct mr_connection *take_locked(struct mr_pool *pool)
{
    struct mr_connection *conn;
    TAILQ_FOREACH(conn, &pool->queue, in_pool)
    {
        if (has_share_left(pool, &pool->served, conn->remote, pool->bounds.threads))
            break;
    }
    if (!conn)
        return NULL;
    TAILQ_REMOVE(&pool->queue, conn, in_pool);
    pool->queued--;
    TAILQ_INSERT_TAIL(&pool->served, conn, in_pool);
    return conn;
}

static void *thread_main(void *arg)
{
    struct mr_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct mr_connection *conn = NULL;
        while (!pool->ended && !(conn = take_locked(pool))) {
            pool->idle++;
            pthread_cond_wait(&pool->changed, &pool->lock);
            pool->idle--;
        }
        if (!conn)
            break;
        pthread_mutex_unlock(&pool->lock);
        pool->serve(conn);
        pthread_mutex_lock(&pool->lock);
        TAILQ_REMOVE(&pool->served, conn, in_pool);
        conn->is_served = true;
        pthread_cond_signal(&conn->served);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static enum mr_status start_thread_locked(struct mr_pool *pool, struct mr_err *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    const int fault = pthread_create(&pool->threads[pool->count], &attributes, thread_main, pool);
    pool->count += !fault;
    pthread_attr_destroy(&attributes);
    return fault ? mr_fail_errno(err, MR_EXHAUSTED, fault, "start a request thread") : MR_OK;
}

enum mr_status mr_pool_start(const struct mr_pool_bounds *bounds, void (*serve)(struct mr_connection *conn),
                             struct mr_pool **ret, struct mr_err *err)
{
    struct mr_pool *pool = calloc(1, sizeof *pool + (size_t)bounds->threads * sizeof *pool->threads);
    if (!pool)
        return mr_fail_oom(err);
    pool->serve = serve;
    pool->bounds = *bounds;
    TAILQ_INIT(&pool->queue);
    TAILQ_INIT(&pool->served);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pthread_mutex_lock(&pool->lock);
    enum mr_status status = start_thread_locked(pool, err);
    pthread_mutex_unlock(&pool->lock);
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

/* Without another thread, connections wait for those that there are. */
static void grow_locked(struct mr_pool *pool, const struct mr_log *log)
{
    struct mr_err err = {0};
    if (start_thread_locked(pool, &err) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "requests wait for the threads that there are", &err, NULL);
}

static bool append_locked(struct mr_pool *pool, struct mr_connection *conn)
{
    if (pool->queued >= pool->bounds.queue_max ||
        !has_share_left(pool, &pool->queue, conn->remote, pool->bounds.queue_max))
        return false;
    conn->is_served = false;
    TAILQ_INSERT_TAIL(&pool->queue, conn, in_pool);
    pool->queued++;
    if (pool->queued > pool->idle && pool->count < pool->bounds.threads)
        grow_locked(pool, conn->server->options.log);
    pthread_cond_signal(&pool->changed);
    return true;
}

bool mr_pool_run(struct mr_pool *pool, struct mr_connection *conn)
{
    pthread_mutex_lock(&pool->lock);
    bool appended = append_locked(pool, conn);
    while (appended && !conn->is_served)
        pthread_cond_wait(&conn->served, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return appended;
}
