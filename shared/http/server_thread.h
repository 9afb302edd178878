/*
 * Request threads: threads whose stack is large enough for handlers (2 MiB), because Debian's civetweb gives its
 * own threads only 100 KiB. Each civetweb thread owns one request thread and waits while it runs a function for
 * it.
 */
#ifndef MR_HTTP_SERVER_THREAD_H
#define MR_HTTP_SERVER_THREAD_H

#include "shared/base/err.h"

struct mr_request_threads;
struct mr_request_thread;

/* MR_EXHAUSTED without memory or threads. */
MR_MUST_CHECK enum mr_status mr_request_threads_start(size_t count, struct mr_request_threads **ret,
                                                      struct mr_err *err);
/* Ends the threads, which must be idle, and frees them. Accepts NULL. */
void mr_request_threads_stop(struct mr_request_threads *threads);

/* A thread that was not claimed before; at most `count` calls. The caller alone uses it. */
struct mr_request_thread *mr_request_threads_claim(struct mr_request_threads *threads);

/* Calls function(ctx) on the request thread and returns when it has returned. */
void mr_request_thread_run(struct mr_request_thread *thread, void (*function)(void *ctx), void *ctx);

#endif
