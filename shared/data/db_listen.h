/*
 * PostgreSQL's notifications: a connection of its own that listens on one channel.
 *
 * A notification is sent when its transaction commits, to those that listen at that moment; nothing is kept
 * for others. So a caller that connects again must assume that it missed some. A listener belongs to one
 * thread, which waits for mr_db_listener_fd with poll(2) and then takes notifications until there are no more.
 * Source: https://www.postgresql.org/docs/15/libpq-notify.html
 */
#ifndef MR_DATA_DB_LISTEN_H
#define MR_DATA_DB_LISTEN_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_db_listener;

enum { MR_DB_PAYLOAD_MAX = 8000 }; /* bytes of a payload with its NUL: PostgreSQL's own limit */

/*
 * Connects and listens. MR_TIMEOUT after timeout_ms; MR_CANCELED as soon as cancel_fd (-1: none) is readable,
 * of which nothing is read; MR_UNAVAILABLE if the database refuses. In pg_stat_activity its application_name is the channel.
 */
MR_MUST_CHECK enum mr_status mr_db_listen(const char *conninfo, const char *channel, int timeout_ms,
                                          int cancel_fd, struct mr_db_listener **ret, struct mr_err *err);
void mr_db_listener_free(struct mr_db_listener *listener);
MR_DEFINE_CLEANUP(mr_db_listener, mr_db_listener_free)

/*
 * Asks the server for a sign of life: a connection that a network dropped silently stays quiet for ever, and so does
 * one on which nothing happens. MR_TIMEOUT after timeout_ms; MR_CANCELED as mr_db_listen; MR_UNAVAILABLE. Free the
 * listener then. Notifications that arrive meanwhile are kept for mr_db_listener_next.
 */
MR_MUST_CHECK enum mr_status mr_db_listener_check(struct mr_db_listener *listener, int timeout_ms,
                                                  int cancel_fd, struct mr_err *err);

/* Readable when a notification came or the connection broke. Owned by the listener. */
int mr_db_listener_fd(const struct mr_db_listener *listener);

/* Takes the next payload without waiting; *ret_any is false if there is none. MR_UNAVAILABLE when the
 * connection broke: free the listener then. */
MR_MUST_CHECK enum mr_status mr_db_listener_next(struct mr_db_listener *listener, bool *ret_any,
                                                 char payload[MR_DB_PAYLOAD_MAX], struct mr_err *err);

#endif
