#include "shared/data/db_pool.h"

#include "shared/base/clock.h"

#include <errno.h>
#include <pthread.h>

enum { WAIT_FOR_CONNECTION_MS = 5000 };

struct mr_db {
    char *conninfo;
    pthread_mutex_t lock;
    pthread_cond_t freed; /* waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    struct mr_db_connection *idle; /* the most recently used first */
    struct mr_db_connection *all;  /* pool_size of them */
};

enum mr_status mr_db_open(const char *conninfo, int pool_size, struct mr_db **ret, struct mr_err *err)
{
    struct mr_db *db = calloc(1, sizeof *db);
    if (!db)
        return mr_fail_oom(err);
    db->conninfo = strdup(conninfo);
    db->all = calloc((size_t)pool_size, sizeof *db->all);
    if (!db->conninfo || !db->all) {
        free(db->conninfo);
        free(db->all);
        free(db);
        return mr_fail_oom(err);
    }
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
        PQfinish(c->pg);
    pthread_cond_destroy(&db->freed);
    pthread_mutex_destroy(&db->lock);
    explicit_bzero(db->conninfo, strlen(db->conninfo));
    free(db->conninfo);
    free(db->all);
    free(db);
}

static struct mr_db_connection *take_idle(struct mr_db *db)
{
    const struct timespec deadline = mr_time_deadline(WAIT_FOR_CONNECTION_MS);
    pthread_mutex_lock(&db->lock);
    int waited = 0;
    while (!db->idle && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&db->freed, &db->lock, &deadline);
    struct mr_db_connection *connection = db->idle;
    if (connection)
        db->idle = connection->next;
    pthread_mutex_unlock(&db->lock);
    return connection;
}

void mr_db_pool_give_back(struct mr_db *db, struct mr_db_connection *connection)
{
    pthread_mutex_lock(&db->lock);
    connection->next = db->idle;
    db->idle = connection;
    pthread_cond_signal(&db->freed);
    pthread_mutex_unlock(&db->lock);
}

enum mr_status mr_db_pool_take(struct mr_db *db, struct mr_db_connection **ret, struct mr_err *err)
{
    struct mr_db_connection *connection = take_idle(db);
    if (!connection)
        return mr_fail(err, MR_EXHAUSTED, "database: every connection is busy");
    if (!mr_db_connection_is_open(connection)) {
        enum mr_status status = mr_db_connection_open(connection, db->conninfo, err);
        if (status != MR_OK) {
            mr_db_pool_give_back(db, connection);
            return status;
        }
    }
    *ret = connection;
    return MR_OK;
}
