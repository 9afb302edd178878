/* An HTTP server (shared/http/server.h) on a free port of 127.0.0.1, and a client that can break the protocol. */
#ifndef MR_TESTS_UNIT_FIXTURE_SERVER_H
#define MR_TESTS_UNIT_FIXTURE_SERVER_H

#include "shared/base/cleanup.h"
#include "shared/http/server.h"

enum { PATIENCE_MS = 30000 }; /* how long a client waits for the server */

struct fixture_server {
    struct mr_log log; /* writes to the file "log" of the working directory */
    struct mr_server *server;
};

/* Starts a server with these options; port, log and log_requests are set here. Returns 0, or -1 on failure, as
 * cmocka's setup functions do. */
int fixture_server_start(struct fixture_server *server, struct mr_server_options options);
/* A server that has stopped already is NULL. */
void fixture_server_stop(struct fixture_server *server);
/* A new connection, with PATIENCE_MS for each call. The caller closes it. */
int fixture_server_connect(const struct fixture_server *server);

void send_text(int fd, const char *text);

struct answer {
    char *text; /* head and body as they came, chunks decoded */
    const char *body;
    size_t body_len;
    int status;
    bool whole;
};
void answer_free(struct answer *answer);
MR_DEFINE_VALUE_CLEANUP(answer, answer_free)

/* Reads one answer. `head`: the answer to a HEAD request, which has no body. */
struct answer read_answer(int fd, bool head);
/* Sends one request on a connection of its own and reads the answer. */
struct answer exchange(const struct fixture_server *server, const char *request);
/* True if the head holds exactly this line. */
bool has_line(const struct answer *answer, const char *line);
/* Waits for the end of the connection; false if a byte comes instead. */
bool is_at_end(int fd);

#endif
