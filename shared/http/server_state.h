/* What a running server, a connection and a request in progress consist of, for the files server*.c: the only ones
 * that know civetweb. */
#ifndef MR_HTTP_SERVER_STATE_H
#define MR_HTTP_SERVER_STATE_H

#include "shared/http/routing.h"
#include "shared/http/server.h"
#include "shared/http/server_head.h"

#include <civetweb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum {
    MR_QUERY_MAX = 64, /* query parameters; more are ignored */
    MR_HEAD_OUT_MAX = 16 * 1024,
    MR_BASE_URL_MAX = 300,
    MR_SMALL_BODY = 32 * 1024,  /* a body up to this size is read before a request thread is taken */
    MR_RATE_BYTES = 256 * 1024, /* a client must move so much within client_timeout_ms of waiting for it */
    MR_KEEP_ALIVE_MS = 60000,   /* how long a connection may wait for its next request */
    MR_ADDRESS_MAX = 48,        /* as in civetweb's mg_request_info */
    MR_KNOWN_SOCKETS = 16 * 1024,
    MR_START_FAULT_MAX = 200,
    MR_REASON_MAX = 200,
};

struct mr_pool;

/* Whom a connection waits for. */
enum mr_phase {
    MR_PHASE_BUSY, /* not for its client */
    MR_PHASE_HEAD, /* for a request's head */
    MR_PHASE_BODY,
    MR_PHASE_WRITE,  /* for the client to read the answer */
    MR_PHASE_LINGER, /* for the client to see the answer, before it is closed */
};

/* What is left to do after an answer. */
enum mr_after { MR_AFTER_KEEP, MR_AFTER_LINGER, MR_AFTER_CLOSE };

/* A connection lives from civetweb's init_connection to connection_close. civetweb's thread owns it, but for the time
 * in which that thread waits for a request thread, which owns it then. */
struct mr_connection {
    struct mr_server *server;
    struct mg_connection *civetweb;

    /* Protected by the server's lock. */
    struct mr_connection *prev, *next;
    int fd; /* the client's socket; -1: not found, or handed over. Its owner may read it without the lock. */
    enum mr_phase phase;
    int64_t since_us, due_us; /* of the phase */
    size_t unread; /* bytes of the answer that wait for the client, counted in the server's `unread` */
    bool shut;     /* the phase took too long, or room was needed: the socket was shut down */
    bool evicted;  /* the second of these */

    char address[MR_ADDRESS_MAX];
    char remote[MR_ADDRESS_MAX]; /* the client of the request, behind the proxies */
    const char *buffer;          /* where civetweb puts what it receives; NULL before the first request */
    int64_t taken;               /* bytes of earlier requests, at least */
    int64_t user_id;             /* of the request, if a handler has noted it; else 0 */
    bool refused;                /* an answer was given to what is no request */
    bool closing;                /* civetweb closes it after this request */
    struct mr_head head;
    struct mr_framing framing;
    enum mr_route_class class;
    struct mr_buf in;  /* the body, or its beginning */
    bool whole;        /* `in` has all of it */
    struct mr_buf out; /* the answer, which civetweb's thread writes */
    enum mr_after after;

    /* Protected by the lock of the pool that it waits for. */
    TAILQ_ENTRY(mr_connection) in_pool;
    pthread_cond_t served;
    bool is_served;
};

TAILQ_HEAD(mr_connections, mr_connection);

struct mr_server {
    struct mr_server_options options;
    struct mg_context *civetweb;
    int port;
    int listener; /* civetweb's */
    pthread_t watchdog;
    bool watchdog_runs;
    struct mr_pool *pools[MR_ROUTE_CLASSES];
    char start_fault[MR_START_FAULT_MAX]; /* civetweb's first message before it started */
    atomic_bool started, stopping;
    atomic_size_t info_offset;           /* of a connection's request_info; 0: not known yet */
    atomic_bool known[MR_KNOWN_SOCKETS]; /* descriptors that belong to connections */

    pthread_mutex_t lock;
    pthread_cond_t idle;    /* running became 0, or info_offset was set; waits on CLOCK_MONOTONIC */
    pthread_cond_t changed; /* wakes the watchdog; waits on CLOCK_MONOTONIC */
    /* All fields below are protected by lock. */
    int running; /* requests whose answers are not complete */
    bool draining;
    bool watch_ended;
    struct mr_connection *connections;
    int connection_count;
    int evicted_count;     /* of these, those that were shut down to make room */
    size_t unread;         /* bytes of answers that wait for their clients */
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
        bool parked;       /* answered and logged later, by another thread */
        enum mr_code code; /* of a failure, and what was said of it; "": none */
        char reason[MR_REASON_MAX];
        bool gone; /* a write failed: the client has disconnected */
    } out;
};

#endif
