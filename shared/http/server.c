/* The server started, drained and stopped. */
#include "shared/http/server.h"

#include "shared/base/clock.h"
#include "shared/http/server_civetweb.h"
#include "shared/http/server_dispatch.h"
#include "shared/http/server_pool.h"
#include "shared/http/server_watch.h"

enum {
    MAX_HEAD_MIN = 1024 /* civetweb's own minimum */,
    MAX_CONNECTIONS = 256,
    SLOW_QUEUE_FACTOR = 4,
    WHOLE = 100 /* percent */
};

static void init_lock(struct mr_server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, &attributes);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Only transfers are refused while others wait: they take long. */
static enum mr_status start_parts(struct mr_server *server, struct mr_err *err)
{
    const struct mr_server_options *options = &server->options;
    const struct mr_pool_bounds pools[MR_ROUTE_CLASSES] = {
        [MR_ROUTE_NORMAL] = {options->threads, options->max_connections, WHOLE},
        [MR_ROUTE_SLOW] = {options->slow_threads, SLOW_QUEUE_FACTOR * options->slow_threads,
                           options->address_share},
        [MR_ROUTE_VITAL] = {options->vital_threads, options->max_connections, WHOLE},
    };
    for (int i = 0; i < MR_ROUTE_CLASSES; i++)
        MR_TRY(mr_pool_start(&pools[i], mr_server_dispatch, &server->pools[i], err));
    MR_TRY(mr_watch_start(server, err));
    return mr_civetweb_start(server, err);
}

static struct mr_server_options with_defaults(struct mr_server_options options)
{
    if (!options.slow_threads)
        options.slow_threads = options.threads;
    if (!options.address_share)
        options.address_share = WHOLE;
    if (!options.vital_threads)
        options.vital_threads = 1;
    if (!options.max_connections)
        options.max_connections = MAX_CONNECTIONS;
    return options;
}

enum mr_status mr_server_start(const struct mr_server_options *options, struct mr_server **ret,
                               struct mr_err *err)
{
    if (options->threads < 1 || options->slow_threads < 0 || options->vital_threads < 0 ||
        options->address_share < 0 || options->address_share > WHOLE || options->max_connections < 0 ||
        options->client_timeout_ms < 1 || options->max_head < MAX_HEAD_MIN)
        return mr_fail(err, MR_INVALID, "threads, client_timeout_ms or max_head is out of bounds");
    struct mr_server *server = calloc(1, sizeof *server);
    if (!server)
        return mr_fail_oom(err);
    server->options = with_defaults(*options);
    server->listener = -1;
    init_lock(server);
    mg_init_library(0);
    enum mr_status status = start_parts(server, err);
    if (status != MR_OK) {
        mr_server_stop(server);
        return status;
    }
    *ret = server;
    return MR_OK;
}

int mr_server_port(const struct mr_server *server)
{
    return server->port;
}

bool mr_server_drain(struct mr_server *server, int deadline_ms)
{
    const struct timespec due = mr_time_deadline(deadline_ms);
    pthread_mutex_lock(&server->lock);
    server->draining = true;
    int waited = 0;
    while (server->running && waited == 0)
        waited = pthread_cond_timedwait(&server->idle, &server->lock, &due);
    bool drained = server->running == 0;
    pthread_mutex_unlock(&server->lock);
    return drained;
}

void mr_server_stop(struct mr_server *server)
{
    if (!server)
        return;
    mr_civetweb_stop(server);
    for (int i = 0; i < MR_ROUTE_CLASSES; i++)
        mr_pool_stop(server->pools[i]);
    mr_watch_stop(server);
    pthread_cond_destroy(&server->idle);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
