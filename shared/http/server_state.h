/* What a running server, a connection and a request in progress consist of, for the files server*.c. */
#ifndef MR_HTTP_SERVER_STATE_H
#define MR_HTTP_SERVER_STATE_H

#include "shared/http/routing.h"
#include "shared/http/server.h"
#include "shared/http/server_chunks.h"
#include "shared/http/server_head.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    MR_QUERY_MAX = 64, /* query parameters; more are ignored */
    MR_HEAD_OUT_MAX = 16 * 1024,
    MR_BASE_URL_MAX = 300,
    MR_SMALL_BODY = 32 * 1024,  /* a body up to this size is read before a thread is taken */
    MR_RATE_BYTES = 256 * 1024, /* a client must move so much within client_timeout_ms of waiting for it */
    MR_KEEP_ALIVE_MS = 5000,    /* how long a connection may wait for its next request */
    MR_ADDRESS_MAX = INET6_ADDRSTRLEN,
};

struct mr_pool;

/* Whom a connection waits for. */
enum mr_phase {
    MR_PHASE_IDLE,   /* for the first byte of a request */
    MR_PHASE_HEAD,   /* for the rest of its head */
    MR_PHASE_BODY,   /* for its small body, or for the beginning of a large one */
    MR_PHASE_BUSY,   /* for a request thread, which then owns it; all other phases belong to the loop */
    MR_PHASE_WRITE,  /* for the client to read the rest of the answer */
    MR_PHASE_LINGER, /* for the client to see the answer, before it is closed */
};

/* What is left to do after an answer. */
enum mr_after { MR_AFTER_KEEP, MR_AFTER_LINGER, MR_AFTER_CLOSE };

struct mr_connection {
    /* Of the loop. */
    struct mr_connection *prev, *next;
    enum mr_phase phase;
    int64_t since_us, due_us; /* of the phase */
    size_t scanned;           /* bytes of `in` that were looked at */
    size_t moved;             /* bytes written or dropped in this phase */
    bool served;              /* an earlier request */

    struct mr_connection *next_queued; /* in a pool, or on the way back to the loop */
    int fd;                            /* changed under the server's lock only; -1: it was handed over */
    char address[MR_ADDRESS_MAX];
    struct mr_buf in; /* received: the body, and what follows it */
    struct mr_head head;
    struct mr_framing framing;
    struct mr_chunks chunks;
    bool whole;       /* the body lies complete at the start of `in`… */
    size_t body_size; /* … with so many bytes, chunk framing included */
    enum mr_route_class class;
    struct mr_buf out; /* the rest of the answer */
    size_t out_sent;
    enum mr_after after;
    bool unread;    /* the client does not read: what the kernel holds for it is dropped */
    bool counted;   /* in the server's `running` */
    bool polled;    /* known to epoll */
    size_t charged; /* to the server's `unread` */
};

struct mr_server {
    struct mr_server_options options;
    int port;
    int listener, epoll, wake; /* wake: an eventfd that the loop waits on as well */
    pthread_t loop;
    bool loop_runs;
    struct mr_pool *pools[MR_ROUTE_CLASSES];

    pthread_mutex_t lock;
    pthread_cond_t idle; /* running became 0; waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    int running; /* requests whose answer is not complete */
    bool draining, stopping;
    struct mr_connection *returned; /* from request threads */

    /* All fields below belong to the loop. */
    struct mr_connection *connections;
    int connection_count;
    size_t unread;         /* bytes in `out` of all connections */
    bool paused;           /* no connection is accepted for a moment */
    int64_t next_check_us; /* when the first connection may be overdue */
};

enum mr_body_state { MR_BODY_OPEN, MR_BODY_ENDED, MR_BODY_FAILED };

struct mr_request {
    struct mr_server *server;
    struct mr_connection *conn;
    const struct mr_head *head; /* the connection's */
    int64_t started_us;
    struct mr_log log;

    struct mr_path path;
    struct mr_route_match match;
    char base_url[MR_BASE_URL_MAX];
    char remote[MR_ADDRESS_MAX];
    char *query_text; /* decoded copy that query[] points into */
    size_t query_count;
    struct {
        const char *name, *value;
    } query[MR_QUERY_MAX];

    struct {
        enum mr_body_state state;
        size_t used; /* bytes of the connection's `in` that were read */
        int64_t received;
        int64_t waited_us, moved; /* for the minimum rate */
        struct mr_err failure;
    } body;

    struct {
        struct mr_buf headers; /* of the handler, as lines */
        int status;            /* 0 until an answer began */
        int64_t left;          /* bytes left of a known length; -1: chunked or until the close */
        int64_t sent;          /* body bytes */
        int64_t waited_us, moved;
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
