#include "shared/http/server_civetweb.h"

#include "shared/http/server_connection.h"
#include "shared/http/server_intake.h"
#include "shared/http/server_socket.h"

enum {
    SPARE_THREADS = 1,  /* for the connection that another one makes room for */
    ACCEPT_QUEUE = 256, /* accepted connections that wait for a thread */
    LISTEN_BACKLOG = 4096,
    GRACE_MS = 2000, /* civetweb's own time-outs only matter where ours do not work */
    OPTION_TEXT = 32,
};

static struct mr_server *server_of(const struct mg_connection *civetweb)
{
    return mg_get_user_data(mg_get_context(civetweb));
}

static int on_connection(const struct mg_connection *civetweb, void **ret_data)
{
    *ret_data = mr_connection_open(server_of(civetweb), civetweb);
    return 0;
}

/* The number that is returned is only for civetweb's own log. Without a struct mr_connection, for want of
 * memory, there is no answer. */
static int on_request(struct mg_connection *civetweb)
{
    struct mr_connection *conn = mg_get_user_connection_data(civetweb);
    if (conn) {
        conn->civetweb = civetweb;
        mr_intake_serve(conn);
    } else {
        mg_disable_connection_keep_alive(civetweb);
    }
    return 200;
}

/* 0: answered. */
static int on_refusal(struct mg_connection *civetweb, int http_status, const char *reason)
{
    (void)http_status;
    (void)reason;
    struct mr_connection *conn = mg_get_user_connection_data(civetweb);
    if (conn) {
        conn->civetweb = civetweb;
        mr_intake_refuse(conn);
    }
    return 0;
}

/* True if the connection ends because civetweb has read a request, but does not serve its target: it takes absolute
 * ones for those of another server. */
static bool is_unserved(const struct mr_connection *conn, const struct mg_request_info *info)
{
    return info && info->request_uri && !info->local_uri_raw && !conn->refused;
}

static void on_close(const struct mg_connection *civetweb)
{
    struct mr_server *server = server_of(civetweb);
    struct mr_connection *conn = mg_get_user_connection_data(civetweb);
    mr_sockets_learn(server, civetweb);
    if (!conn)
        return;
    if (is_unserved(conn, mg_get_request_info(civetweb))) {
        conn->civetweb = (struct mg_connection *)civetweb;
        conn->closing = true;
        mr_intake_serve(conn);
    }
    mr_connection_close(conn);
}

static int on_message(const struct mg_connection *civetweb, const char *message)
{
    struct mr_server *server = server_of(civetweb);
    if (!atomic_load(&server->started) && !server->start_fault[0]) /* the first names the cause */
        snprintf(server->start_fault, sizeof server->start_fault, "%s", message);
    else if (atomic_load(&server->started) && !atomic_load(&server->stopping))
        mr_log_write(server->options.log, MR_LOG_WARNING, message, NULL);
    return 1;
}

static enum mr_status start(struct mr_server *server, const char **settings, struct mr_err *err)
{
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_refusal,
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
        return mr_fail(err, MR_UNAVAILABLE, "listen on port %d: %s", server->options.port,
                       server->start_fault[0] ? server->start_fault : text);
    atomic_store(&server->started, true);
    return MR_OK;
}

static enum mr_status configure_and_start(struct mr_server *server, struct mr_err *err)
{
    const struct mr_server_options *options = &server->options;
    const int timeout_ms = options->client_timeout_ms + GRACE_MS;
    char ports[OPTION_TEXT], threads[OPTION_TEXT], head[OPTION_TEXT], timeout[OPTION_TEXT],
        queue[OPTION_TEXT], backlog[OPTION_TEXT];
    snprintf(ports, sizeof ports, "%s%d", options->loopback_only ? "127.0.0.1:" : "", options->port);
    snprintf(threads, sizeof threads, "%d", options->max_connections + SPARE_THREADS);
    snprintf(head, sizeof head, "%d", options->max_head);
    snprintf(timeout, sizeof timeout, "%d", timeout_ms);
    snprintf(queue, sizeof queue, "%d", ACCEPT_QUEUE);
    snprintf(backlog, sizeof backlog, "%d", LISTEN_BACKLOG);
    /* clang-format off */
    const char *settings[] = {
        "listening_ports", ports,
        "num_threads", threads,
        "max_request_size", head,
        "request_timeout_ms", timeout,
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", timeout,
        "connection_queue", queue,
        "listen_backlog", backlog,
        "tcp_nodelay", "1",
        "decode_url", "no", /* segments are split before they are decoded */
        "enable_auth_domain_check", "no",
        "enable_directory_listing", "no",
        NULL,
    };
    /* clang-format on */
    return start(server, settings, err);
}

enum mr_status mr_civetweb_start(struct mr_server *server, struct mr_err *err)
{
    struct mg_server_port ports[2];
    server->port = server->options.port; /* clients may come before mg_start2 returns */
    MR_TRY(configure_and_start(server, err));
    if (server->port == 0 && mg_get_server_ports(server->civetweb, 2, ports) < 1)
        return mr_fail(err, MR_INTERNAL, "the listening port is unknown");
    if (server->port == 0)
        server->port = ports[0].port;
    return mr_sockets_prepare(server, err);
}

void mr_civetweb_stop(struct mr_server *server)
{
    mr_connections_shut(server);
    if (server->civetweb)
        mg_stop(server->civetweb);
    mg_exit_library();
}
