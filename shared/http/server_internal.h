/*
 * What the files of the server share: server.c (start, drain, stop, dispatch), server_lane.c (threads for
 * handlers), server_peer.c (sockets of connections), server_request.c and server_body.c (what came in),
 * server_respond.c, server_detach.c and server_error.c (what goes out). Only they include this, and civetweb.
 */
#ifndef MR_HTTP_SERVER_INTERNAL_H
#define MR_HTTP_SERVER_INTERNAL_H

#include "shared/http/routing.h"
#include "shared/http/server.h"
#include "shared/http/slow_client.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    MR_READ_PIECE = 16 * 1024,  /* bytes read under one deadline */
    MR_WRITE_PIECE = 64 * 1024, /* bytes written under one deadline */
    MR_QUERY_MAX = 64,          /* query parameters; more are ignored */
    MR_HEAD_OUT_MAX = 16 * 1024,
    MR_BASE_URL_MAX = 300,
    MR_START_FAULT_MAX = 200,
};

struct mr_lane;
struct mr_peer;

struct mr_server {
    struct mr_server_options options;
    struct mg_context *civetweb;
    struct mr_slow_clients *slow_clients;
    struct mr_lane *lanes; /* one per civetweb thread */
    size_t lane_count;
    int port;
    atomic_size_t lanes_taken;
    atomic_int connections; /* held by threads at the moment */
    atomic_bool started, stopping;
    char start_fault[MR_START_FAULT_MAX]; /* what civetweb said while it did not start */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* running became 0; waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    int running; /* requests in handlers */
    bool draining;
    struct mr_peer *peers; /* connections whose socket is known */
};

/* How long a connection may wait for its next request. */
int mr_server_keep_alive_ms(const struct mr_server *server);

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
        struct mr_buf headers; /* of the program, as lines */
        int status;            /* 0 until an answer began */
        int64_t left;          /* bytes still to come of a known length; -1: chunked or until the close */
        int64_t sent;          /* body bytes */
        bool started, ended;
        bool chunked;
        bool no_body;     /* HEAD, 204, 304 */
        bool until_close; /* detached: the close is the end of the body, whatever the version */
        bool close;
        bool gone; /* a write failed: the client is not there any more */
    } out;
};

/* ---- server_lane.c ---- */

/* Threads with a stack of a size fit for handlers: Debian's civetweb gives its own only 100 KiB. Each
 * civetweb thread owns one lane and waits while the lane runs a job for it. */
typedef void mr_lane_job(void *ctx);
MR_MUST_CHECK enum mr_status mr_lanes_start(size_t count, struct mr_lane **ret, struct mr_err *err);
void mr_lanes_stop(struct mr_lane *lanes, size_t count);
struct mr_lane *mr_lane_at(struct mr_lane *lanes, size_t index);
void mr_lane_run(struct mr_lane *lane, mr_lane_job *job, void *ctx);

/* ---- server_peer.c ---- */

/* One connection; lives from civetweb's init_connection to connection_close. */
struct mr_peer {
    struct mr_peer *prev, *next;
    int fd;
    int64_t waiting_since_us; /* for the next request's head */
    bool served;              /* a request before: then the keep-alive time-out holds */
};
/* The connection's socket, looked for at its first request; -1 if it cannot be found. */
int mr_peer_socket(struct mr_server *server, struct mg_connection *conn);
void mr_peer_open(struct mr_server *server, void **ret_peer);
void mr_peer_close(struct mr_server *server, const struct mg_connection *conn);
/* Notes that a request is done and the wait for the next begins. */
void mr_peer_served(struct mg_connection *conn);
/* What became of a head that civetweb calls malformed: it says the same of one that is broken (400), too slow
 * (408) or too long (431). */
int mr_peer_head_fault(struct mr_server *server, struct mg_connection *conn);
/* Lets `substitute` take the place of the connection's socket, under its number, and forgets the socket: it
 * is somebody else's now. */
MR_MUST_CHECK enum mr_status mr_peer_replace(struct mr_server *server, struct mg_connection *conn,
                                             int substitute, struct mr_err *err);
/* Ends all waiting on sockets, so that civetweb's threads need not sit out their polls. */
void mr_peers_shut(struct mr_server *server);
/* Sends FIN, then drops what the client still sends, so that it sees the answer and not a reset. */
void mr_peer_linger(int fd);
/* ---- server_request.c ---- */

MR_MUST_CHECK enum mr_status mr_request_prepare(struct mr_request *req, struct mr_err *err);
void mr_request_release(struct mr_request *req);
/* True if a comma-separated header of the request holds the token, ASCII case ignored. */
bool mr_request_header_has(const struct mr_request *req, const char *name, const char *token);

/* ---- server_body.c ---- */

/* Reads the framing headers. MR_INVALID if they contradict each other. */
MR_MUST_CHECK enum mr_status mr_body_prepare(struct mr_request *req, struct mr_err *err);
/* True if the body is read or small enough to be dropped, so that a further request can follow it. */
bool mr_body_can_finish(const struct mr_request *req);
/* Drops a small unread body; false if the connection must be closed. */
bool mr_body_finish(struct mr_request *req);

/* ---- server_respond.c ---- */

MR_MUST_CHECK enum mr_status mr_wire_write(struct mr_request *req, const void *data, size_t len,
                                           struct mr_err *err);

/* ---- server_error.c ---- */

/* Answers a failed request; one whose answer has begun is cut off instead. */
void mr_request_answer_failure(struct mr_request *req, int http_status, const struct mr_err *cause);
/* As mr_request_answer_failure, and logs what is our own fault. */
void mr_request_fail(struct mr_request *req, int http_status, const struct mr_err *cause);
/* Answers for a request that civetweb refused before there was one (broken or oversize head, time-out). */
void mr_server_refuse(struct mr_server *server, struct mg_connection *conn, int http_status,
                      const char *reason);

#endif
