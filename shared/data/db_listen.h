/*
 * PostgreSQL's notifications: one connection of its own that has said LISTEN on one channel.
 *
 * A notification is sent when its transaction commits, to those who listen at that moment; nothing is kept
 * for those who do not. So whoever connects anew must take it that some were missed. A listener belongs to
 * one thread, which waits for mr_db_listener_fd with poll(2) and then takes what came until there is no more.
 * Source: https://www.postgresql.org/docs/15/libpq-notify.html
 */
#ifndef MR_DATA_DB_LISTEN_H
#define MR_DATA_DB_LISTEN_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_db_listener;

enum { MR_DB_PAYLOAD_MAX = 8000 }; /* bytes of a payload with its NUL: PostgreSQL's own bound */

/*
 * Connects and listens. The attempt ends with MR_TIMEOUT after timeout_ms, and with MR_CANCELED as soon as
 * cancel_fd (-1: none) is readable; it reads nothing from it. MR_UNAVAILABLE if the database refuses.
 */
MR_MUST_CHECK enum mr_status mr_db_listen(const char *conninfo, const char *channel, int timeout_ms,
                                          int cancel_fd, struct mr_db_listener **ret, struct mr_err *err);
void mr_db_listener_free(struct mr_db_listener *listener);
MR_DEFINE_CLEANUP(mr_db_listener, mr_db_listener_free)

/* Readable when something came, or when the connection broke. The listener's own. */
int mr_db_listener_fd(const struct mr_db_listener *listener);

/* Takes the next payload, without waiting; *ret_any is false when there is none. MR_UNAVAILABLE when the
 * connection broke: then it is of no further use. */
MR_MUST_CHECK enum mr_status mr_db_listener_next(struct mr_db_listener *listener, bool *ret_any,
                                                 char payload[MR_DB_PAYLOAD_MAX], struct mr_err *err);

#endif
