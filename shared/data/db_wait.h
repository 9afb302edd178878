/*
 * Waiting for PostgreSQL with a deadline, for the files db*.c: an answer that never comes (a network that drops
 * packets, a server that is stopped) must not hold a thread. libpq's own waits have no end, so the connections are
 * non-blocking, and what is sent and read is waited for here with poll(2).
 *
 * A failed wait leaves the connection in the middle of an exchange: close it. Sources:
 * https://www.postgresql.org/docs/15/libpq-async.html, https://www.postgresql.org/docs/15/libpq-connect.html
 */
#ifndef MR_DATA_DB_WAIT_H
#define MR_DATA_DB_WAIT_H

#include "shared/base/err.h"

#include <libpq-fe.h>
#include <stdint.h>

struct mr_db_wait {
    int64_t due_us; /* of CLOCK_MONOTONIC: MR_TIMEOUT from then on */
    int hurry_fd; /* -1: none. Once it is readable, of which nothing is read, due_us is at most grace_ms away */
    int grace_ms;
};

/* hurry_fd and grace_ms as above; due in timeout_ms. */
struct mr_db_wait mr_db_wait_of(int timeout_ms, int hurry_fd, int grace_ms);

/* Waits for events of poll(2) on the connection's socket. MR_TIMEOUT; MR_CANCELED if hurry_fd ended the wait. */
MR_MUST_CHECK enum mr_status mr_db_wait_for(struct mr_db_wait *wait, const PGconn *pg, short events,
                                            struct mr_err *err);

/* Ends what PQconnectStartParams began, and makes the connection non-blocking. MR_UNAVAILABLE if the server
 * refuses. Names are resolved by PQconnectStartParams itself, which has no deadline. */
MR_MUST_CHECK enum mr_status mr_db_wait_connected(struct mr_db_wait *wait, PGconn *pg, struct mr_err *err);

/* Sends what libpq holds back, and reads meanwhile what the server says. MR_UNAVAILABLE if the connection broke. */
MR_MUST_CHECK enum mr_status mr_db_wait_sent(struct mr_db_wait *wait, PGconn *pg, struct mr_err *err);

/* Sends, then takes the next result; *ret is NULL after the last. The caller clears it. A connection that breaks is a
 * result, too, as libpq tells it. */
MR_MUST_CHECK enum mr_status mr_db_wait_result(struct mr_db_wait *wait, PGconn *pg, PGresult **ret,
                                               struct mr_err *err);

/* As PQexec after a PQsend…: the last result, or the first failure, or the begin of a COPY. Not NULL on MR_OK. */
MR_MUST_CHECK enum mr_status mr_db_wait_last_result(struct mr_db_wait *wait, PGconn *pg, PGresult **ret,
                                                    struct mr_err *err);

/* Fills err with libpq's reason; pg may be NULL. Returns MR_UNAVAILABLE. */
enum mr_status mr_db_fail_pg(const PGconn *pg, struct mr_err *err);

#endif
