/* What a running server and a request in progress consist of, for the files server*.c: the only ones that know
 * civetweb. */
#ifndef MR_HTTP_SERVER_STATE_H
#define MR_HTTP_SERVER_STATE_H

#include "shared/http/routing.h"
#include "shared/http/server.h"
#include "shared/http/slow_client.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    MR_QUERY_MAX = 64, /* query parameters; more are ignored */
    MR_HEAD_OUT_MAX = 16 * 1024,
    MR_BASE_URL_MAX = 300,
    MR_START_FAULT_MAX = 200,
};

struct mr_connection;
struct mr_request_threads;

struct mr_server {
    struct mr_server_options options;
    struct mg_context *civetweb;
    struct mr_slow_clients *slow_clients;
    struct mr_request_threads *threads; /* one per civetweb thread */
    int port;
    atomic_int connection_count; /* open at the moment */
    atomic_bool started, stopping;
    char start_fault[MR_START_FAULT_MAX]; /* civetweb's first message before it started */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* running became 0; waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    int running; /* requests in handlers */
    bool draining;
    struct mr_connection *connections; /* those whose socket is known */
};

enum mr_body_state { MR_BODY_OPEN, MR_BODY_ENDED, MR_BODY_FAILED };

struct mr_request {
    struct mr_server *server;
    struct mg_connection *conn;
    const struct mg_request_info *info;
    int fd; /* the client's socket, for deadlines; -1 if it was not found */
    int64_t started_us;
    struct mr_log log;

    struct mr_path path;
    struct mr_route_match match;
    char base_url[MR_BASE_URL_MAX];
    char *query_text; /* decoded copy that query[] points into */
    size_t query_count;
    struct {
        const char *name, *value;
    } query[MR_QUERY_MAX];

    struct {
        enum mr_body_state state;
        int64_t length; /* -1: chunked */
        int64_t received;
        bool begun;           /* the checks before the first byte were made */
        bool expect_continue; /* the client waits for a 100 before it sends */
        struct mr_err failure;
    } body;

    struct {
        struct mr_buf headers; /* of the handler, as lines */
        int status;            /* 0 until an answer began */
        int64_t left;          /* bytes left of a known length; -1: chunked or until the close */
        int64_t sent;          /* body bytes */
        bool started, ended;
        bool chunked;
        bool no_body;     /* HEAD, 204, 304 */
        bool until_close; /* detached: closing ends the body, whatever the version */
        bool close;
        bool parked; /* answered and logged later, by another thread */
        bool gone;   /* a write failed: the client has disconnected */
    } out;
};

#endif
