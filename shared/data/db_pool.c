#include "shared/data/db_pool.h"

#include "shared/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAIT_FOR_CONNECTION_MS = 5000, HURRY_MS = 1500, HURRY_AGAIN_MS = 200 };

struct mr_db {
    char *conninfo;
    int hurry_fd; /* readable since mr_db_hurry */
    int size;
    mr_db_waited *waited; /* NULL: nobody wants to know */
    void *waited_ctx;
    pthread_mutex_t lock;
    pthread_cond_t freed; /* waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    struct mr_db_connection *idle; /* the most recently used first */
    struct mr_db_connection *all;  /* pool_size of them */
    int era;                       /* connections of an earlier one are not used again */
    bool hurried;
    int used;
    int grace_ms; /* of a call once it has to hurry; short as soon as one had no answer within it */
};

enum mr_status mr_db_open(const char *conninfo, int pool_size, struct mr_db **ret, struct mr_err *err)
{
    struct mr_db *db = calloc(1, sizeof *db);
    if (!db)
        return mr_fail_oom(err);
    db->conninfo = strdup(conninfo);
    db->all = calloc((size_t)pool_size, sizeof *db->all);
    db->hurry_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!db->conninfo || !db->all || db->hurry_fd < 0) {
        if (db->hurry_fd >= 0)
            close(db->hurry_fd);
        free(db->conninfo);
        free(db->all);
        free(db);
        return mr_fail(err, MR_EXHAUSTED, "database: memory or descriptors are used up");
    }
    db->grace_ms = HURRY_MS;
    db->size = pool_size;
    for (int i = pool_size - 1; i >= 0; i--) {
        db->all[i].next = db->idle;
        db->idle = &db->all[i];
    }
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&db->freed, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret = db;
    return MR_OK;
}

void mr_db_close(struct mr_db *db)
{
    if (!db)
        return;
    for (struct mr_db_connection *c = db->idle; c; c = c->next)
        mr_db_connection_close(c);
    pthread_cond_destroy(&db->freed);
    pthread_mutex_destroy(&db->lock);
    close(db->hurry_fd);
    explicit_bzero(db->conninfo, strlen(db->conninfo));
    free(db->conninfo);
    free(db->all);
    free(db);
}

void mr_db_observe(struct mr_db *db, mr_db_waited *waited, void *ctx)
{
    db->waited = waited;
    db->waited_ctx = ctx;
}

void mr_db_usage(struct mr_db *db, int *ret_used, int *ret_idle)
{
    pthread_mutex_lock(&db->lock);
    *ret_used = db->used;
    *ret_idle = db->size - db->used;
    pthread_mutex_unlock(&db->lock);
}

void mr_db_hurry(struct mr_db *db)
{
    const uint64_t one = 1;
    (void)!write(db->hurry_fd, &one, sizeof one);
    pthread_mutex_lock(&db->lock);
    db->hurried = true;
    pthread_cond_broadcast(&db->freed);
    pthread_mutex_unlock(&db->lock);
}

/* NULL if none came free in time. *ret_distrusted: it is of an earlier era. */
static struct mr_db_connection *take_idle(struct mr_db *db, int timeout_ms, bool *ret_distrusted)
{
    struct timespec deadline =
        mr_time_deadline(timeout_ms < WAIT_FOR_CONNECTION_MS ? timeout_ms : WAIT_FOR_CONNECTION_MS);
    bool hurrying = false;
    pthread_mutex_lock(&db->lock);
    int waited = 0;
    while (!db->idle && waited != ETIMEDOUT) {
        if (db->hurried && !hurrying) {
            deadline = mr_time_deadline(timeout_ms < db->grace_ms ? timeout_ms : db->grace_ms);
            hurrying = true;
        }
        waited = pthread_cond_timedwait(&db->freed, &db->lock, &deadline);
    }
    struct mr_db_connection *connection = db->idle;
    if (connection) {
        db->idle = connection->next;
        *ret_distrusted = connection->era != db->era;
        connection->era = db->era;
        db->used++;
    }
    pthread_mutex_unlock(&db->lock);
    return connection;
}

void mr_db_pool_give_back(struct mr_db *db, struct mr_db_connection *connection)
{
    pthread_mutex_lock(&db->lock);
    if (connection->silent)
        db->era++;
    if (connection->unanswered)
        db->grace_ms = HURRY_AGAIN_MS;
    connection->silent = connection->unanswered = false;
    connection->next = db->idle;
    db->idle = connection;
    db->used--;
    pthread_cond_signal(&db->freed);
    pthread_mutex_unlock(&db->lock);
}

enum mr_status mr_db_pool_open(struct mr_db *db, struct mr_db_connection *connection, struct mr_err *err)
{
    return mr_db_connection_open(connection, db->conninfo, err);
}

static struct mr_db_wait wait_of(struct mr_db *db, int timeout_ms)
{
    pthread_mutex_lock(&db->lock);
    const int grace_ms = db->grace_ms;
    pthread_mutex_unlock(&db->lock);
    return mr_db_wait_of(timeout_ms, db->hurry_fd, grace_ms);
}

enum mr_status mr_db_pool_take(struct mr_db *db, int timeout_ms, struct mr_db_connection **ret,
                               struct mr_err *err)
{
    bool distrusted = false;
    const int64_t began_us = db->waited ? mr_time_monotonic_us() : 0;
    struct mr_db_connection *connection = take_idle(db, timeout_ms, &distrusted);
    if (db->waited)
        db->waited(db->waited_ctx, mr_time_monotonic_us() - began_us);
    if (!connection)
        return mr_fail(err, MR_EXHAUSTED, "database: every connection is busy");
    connection->wait = wait_of(db, timeout_ms);
    if (distrusted)
        mr_db_connection_close(connection);
    if (!mr_db_connection_is_open(connection)) {
        enum mr_status status = mr_db_pool_open(db, connection, err);
        if (status != MR_OK) {
            mr_db_pool_give_back(db, connection);
            return status;
        }
    }
    *ret = connection;
    return MR_OK;
}

void mr_db_tx_allow(struct mr_db_tx *tx, int timeout_ms)
{
    tx->connection->wait = wait_of(tx->db, timeout_ms);
}
