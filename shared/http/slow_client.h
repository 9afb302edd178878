/*
 * Slow clients: a deadline for each read or write that waits on a client's socket.
 *
 * civetweb loops until a whole chunk is read or written, and restarts its own timeout at every byte, so a client
 * that sends a byte now and then would occupy a thread for ever. A struct mr_slow_clients is a watchdog thread that
 * shuts the socket of an overdue chunk down, which ends civetweb's call.
 *
 * All deadlines of a watchdog are equally long, so they expire in the order in which they began. Any thread may
 * watch; a struct mr_watch is used by one thread at a time and must end before its descriptor is closed.
 */
#ifndef MR_HTTP_SLOW_CLIENT_H
#define MR_HTTP_SLOW_CLIENT_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

struct mr_slow_clients;

/* One read or write that is watched. The fields belong to the watchdog. */
struct mr_watch {
    struct mr_watch *prev, *next;
    int64_t due_us;
    int fd;
    int how;
    bool watched;
    bool overdue;
};

/* Starts the watchdog: a watched call may take timeout_ms. MR_EXHAUSTED without memory or threads. */
MR_MUST_CHECK enum mr_status mr_slow_clients_new(int timeout_ms, struct mr_slow_clients **ret,
                                                 struct mr_err *err);
/* Ends the watchdog; no watch may be running. */
void mr_slow_clients_free(struct mr_slow_clients *guard);
MR_DEFINE_CLEANUP(mr_slow_clients, mr_slow_clients_free)

/* Watches fd until mr_slow_clients_end: when overdue, it is shut down with `how` (after SHUT_RD a 408 can still be
 * sent). A negative fd is not watched. */
void mr_slow_clients_begin(struct mr_slow_clients *guard, struct mr_watch *watch, int fd, int how);
/* True if the socket was shut down. */
bool mr_slow_clients_end(struct mr_slow_clients *guard, struct mr_watch *watch);

#endif
