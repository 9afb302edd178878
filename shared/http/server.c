/* The server started, drained and stopped; civetweb's callbacks. */
#include "shared/http/server.h"

#include "shared/base/clock.h"
#include "shared/http/server_connection.h"
#include "shared/http/server_dispatch.h"
#include "shared/http/server_error.h"
#include "shared/http/server_thread.h"

enum {
    ACCEPT_QUEUE = 256, /* accepted connections that wait for a thread */
    LISTEN_BACKLOG = 1024,
    MAX_HEAD_MIN = 1024, /* civetweb's own minimum */
    OPTION_TEXT = 32,
};

static bool enter(struct mr_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool open = !server->draining;
    server->running += open;
    pthread_mutex_unlock(&server->lock);
    return open;
}

static void leave(struct mr_server *server)
{
    pthread_mutex_lock(&server->lock);
    if (--server->running == 0)
        pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

/* What a civetweb thread gives to its request thread. */
struct job {
    struct mr_server *server;
    struct mg_connection *conn;
    int http_status; /* of a head that civetweb refused */
    const char *reason;
};

static void serve(void *ctx)
{
    const struct job *job = ctx;
    bool accepting = enter(job->server);
    mr_server_dispatch(job->server, job->conn, accepting);
    if (accepting)
        leave(job->server);
}

static void refuse(void *ctx)
{
    const struct job *job = ctx;
    mr_server_refuse(job->server, job->conn, job->http_status, job->reason);
}

static struct mr_server *server_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

static void *on_thread(const struct mg_context *context, int kind)
{
    struct mr_server *server = mg_get_user_data(context);
    return kind == 1 ? mr_request_threads_claim(server->threads) : NULL; /* 1: a worker thread */
}

static int on_request(struct mg_connection *conn)
{
    struct job job = {.server = server_of(conn), .conn = conn};
    mr_request_thread_run(mg_get_thread_pointer(conn), serve, &job);
    return 200; /* handled; the number is only for civetweb's own log */
}

static int on_refusal(struct mg_connection *conn, int http_status, const char *reason)
{
    struct job job = {.server = server_of(conn), .conn = conn, .http_status = http_status, .reason = reason};
    mr_request_thread_run(mg_get_thread_pointer(conn), refuse, &job);
    return 0;
}

static int on_connection(const struct mg_connection *conn, void **ret_data)
{
    mr_connection_open(server_of(conn), ret_data);
    return 0;
}

static void on_close(const struct mg_connection *conn)
{
    mr_connection_close(server_of(conn), conn);
}

static int on_message(const struct mg_connection *conn, const char *message)
{
    struct mr_server *server = server_of(conn);
    if (!atomic_load(&server->started) && !server->start_fault[0]) /* the first names the cause */
        snprintf(server->start_fault, sizeof server->start_fault, "%s", message);
    else if (atomic_load(&server->started) && !atomic_load(&server->stopping))
        mr_log_write(server->options.log, MR_LOG_WARNING, message, NULL);
    return 1;
}

static enum mr_status start_civetweb(struct mr_server *server, struct mr_err *err)
{
    const struct mr_server_options *options = &server->options;
    char ports[OPTION_TEXT], threads[OPTION_TEXT], head[OPTION_TEXT], timeout[OPTION_TEXT],
        keep_alive[OPTION_TEXT], queue[OPTION_TEXT], backlog[OPTION_TEXT];
    snprintf(ports, sizeof ports, "%s%d", options->loopback_only ? "127.0.0.1:" : "", options->port);
    snprintf(threads, sizeof threads, "%d", options->threads);
    snprintf(head, sizeof head, "%d", options->max_head);
    snprintf(timeout, sizeof timeout, "%d", options->client_timeout_ms);
    snprintf(keep_alive, sizeof keep_alive, "%d", mr_connection_keep_alive_ms(server));
    snprintf(queue, sizeof queue, "%d", ACCEPT_QUEUE);
    snprintf(backlog, sizeof backlog, "%d", LISTEN_BACKLOG);
    /* clang-format off */
    const char *settings[] = {
        "listening_ports", ports,
        "num_threads", threads,
        "max_request_size", head,
        "request_timeout_ms", timeout,
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", keep_alive,
        "connection_queue", queue,
        "listen_backlog", backlog,
        "tcp_nodelay", "1",
        "decode_url", "no", /* segments are split before they are decoded */
        "enable_auth_domain_check", "no",
        "enable_directory_listing", "no",
        NULL,
    };
    /* clang-format on */
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_refusal,
        .init_thread = on_thread,
        .init_connection = on_connection,
        .connection_close = on_close,
        .log_message = on_message,
    };
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = server, .configuration_options = settings};
    char text[160] = "";
    unsigned code = 0;
    struct mg_error_data fault = {.code = &code, .text = text, .text_buffer_size = sizeof text};
    server->civetweb = mg_start2(&init, &fault);
    if (!server->civetweb)
        return mr_fail(err, MR_UNAVAILABLE, "listen on port %d: %s", options->port,
                       server->start_fault[0] ? server->start_fault : text);
    atomic_store(&server->started, true);
    return MR_OK;
}

static enum mr_status find_port(struct mr_server *server, struct mr_err *err)
{
    struct mg_server_port ports[2];
    if (mg_get_server_ports(server->civetweb, 2, ports) < 1)
        return mr_fail(err, MR_INTERNAL, "the listening port is unknown");
    server->port = ports[0].port;
    return MR_OK;
}

static void init_lock(struct mr_server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, &attributes);
    pthread_condattr_destroy(&attributes);
}

static enum mr_status start_parts(struct mr_server *server, struct mr_err *err)
{
    const struct mr_server_options *options = &server->options;
    MR_TRY(mr_slow_clients_new(options->client_timeout_ms, &server->slow_clients, err));
    MR_TRY(mr_request_threads_start((size_t)options->threads, &server->threads, err));
    MR_TRY(start_civetweb(server, err));
    return find_port(server, err);
}

enum mr_status mr_server_start(const struct mr_server_options *options, struct mr_server **ret,
                               struct mr_err *err)
{
    if (options->threads < 1 || options->client_timeout_ms < 1 || options->max_head < MAX_HEAD_MIN)
        return mr_fail(err, MR_INVALID, "threads, client_timeout_ms or max_head is out of bounds");
    struct mr_server *server = calloc(1, sizeof *server);
    if (!server)
        return mr_fail_oom(err);
    server->options = *options;
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
    atomic_store(&server->stopping, true);
    if (server->civetweb) {
        mr_connections_shut(server);
        mg_stop(server->civetweb);
    }
    mr_request_threads_stop(server->threads);
    mr_slow_clients_free(server->slow_clients);
    mg_exit_library();
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
