/*
 * Request threads: a fixed number of threads that serve the connections of one class of routes, in the order in
 * which their requests were complete. Their stacks of 2 MiB are enough for handlers that call TLS and JSON.
 */
#ifndef MR_HTTP_SERVER_POOL_H
#define MR_HTTP_SERVER_POOL_H

#include "shared/http/server_state.h"

/* Starts `count` threads that call serve(server, connection). At most queue_max connections wait for a thread.
 * MR_EXHAUSTED without memory or threads. */
MR_MUST_CHECK enum mr_status
mr_pool_start(int count, int queue_max, void (*serve)(struct mr_server *server, struct mr_connection *conn),
              struct mr_server *server, struct mr_pool **ret, struct mr_err *err);
/* Waits for the requests that run, drops those that wait, and frees. Accepts NULL. */
void mr_pool_stop(struct mr_pool *pool);

/* Hands a connection over; false if too many wait. Any thread. */
bool mr_pool_push(struct mr_pool *pool, struct mr_connection *conn);

#endif
