/* The program behind the server in the tests of shared/http/server: one route for each thing that a handler does. */
#ifndef MR_TESTS_UNIT_SERVED_APP_H
#define MR_TESTS_UNIT_SERVED_APP_H

#include "tests/unit/fixture_server.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TIMEOUT_MS = 200, MAX_BODY = 256 * 1024, MAX_HEAD = 4096, SERVED_BIG = 64 << 20 };

#define HOST "Host: h:1\r\n"

struct served_app {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, released; /* of the handler that waits */
    bool streamed;          /* the big answer is over, complete or not */
    atomic_int last_status; /* what the last handler returned */
};

/* What a test gets as its state. The server comes first, so that the state can be used as one. */
struct served_fixture {
    struct fixture_server http;
    struct served_app app;
};

extern const struct mr_route served_routes[];

void served_app_raise(struct served_app *app, bool *flag);
void served_app_wait(struct served_app *app, const bool *flag);

/* Starts a server with these options, completed; *state becomes the fixture. */
int served_start(void **state, struct mr_server_options options);
/* For cmocka: a server of its own for each test. */
int served_set_up(void **state);
int served_tear_down(void **state);

#endif
