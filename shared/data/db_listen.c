#include "shared/data/db_listen.h"

#include "shared/base/clock.h"
#include "shared/data/db_connection.h"

#include <errno.h>
#include <poll.h>

struct mr_db_listener {
    PGconn *pg;
};

/* An attempt to connect: its deadline, and what ends it early. */
struct attempt {
    PGconn *pg;
    int64_t due_us;
    int cancel_fd;
};

static enum mr_status failure(const PGconn *pg, struct mr_err *err)
{
    const char *message = pg ? PQerrorMessage(pg) : "no memory for a connection";
    return mr_fail(err, MR_UNAVAILABLE, "database: %.*s", (int)strcspn(message, "\n"), message);
}

static enum mr_status wait_for_server(const struct attempt *attempt, short events, struct mr_err *err)
{
    struct pollfd fds[2] = {{.fd = PQsocket(attempt->pg), .events = events},
                            {.fd = attempt->cancel_fd, .events = POLLIN}};
    for (;;) {
        int64_t left_us = attempt->due_us - mr_time_monotonic_us();
        if (left_us <= 0)
            return mr_fail(err, MR_TIMEOUT, "database: LISTEN timed out");
        int ready = poll(fds, 2, (int)(left_us / 1000) + 1);
        if (ready < 0 && errno != EINTR)
            return mr_fail_errno(err, MR_INTERNAL, errno, "poll");
        if (ready > 0 && fds[1].revents)
            return mr_fail(err, MR_CANCELED, "database: connecting was canceled");
        if (ready > 0)
            return MR_OK;
    }
}

static enum mr_status finish_connecting(const struct attempt *attempt, struct mr_err *err)
{
    if (PQstatus(attempt->pg) == CONNECTION_BAD)
        return failure(attempt->pg, err);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        MR_TRY(wait_for_server(attempt, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, err));
        state = PQconnectPoll(attempt->pg);
        if (state == PGRES_POLLING_FAILED)
            return failure(attempt->pg, err);
    }
    return MR_OK;
}

/* Waits for the next result; NULL after the last. The caller clears *ret. */
static enum mr_status next_result(const struct attempt *attempt, PGresult **ret, struct mr_err *err)
{
    while (PQisBusy(attempt->pg)) {
        MR_TRY(wait_for_server(attempt, POLLIN, err));
        if (!PQconsumeInput(attempt->pg))
            return failure(attempt->pg, err);
    }
    *ret = PQgetResult(attempt->pg);
    return MR_OK;
}

static enum mr_status start_listening(const struct attempt *attempt, const char *channel, struct mr_err *err)
{
    char *name = PQescapeIdentifier(attempt->pg, channel, strlen(channel));
    char sql[128];
    int len = name ? snprintf(sql, sizeof sql, "LISTEN %s", name) : -1;
    PQfreemem(name);
    if (len < 0 || len >= (int)sizeof sql)
        return mr_fail(err, MR_INVALID, "database: invalid channel name");
    if (!PQsendQuery(attempt->pg, sql))
        return failure(attempt->pg, err);
    for (;;) {
        MR_AUTO_RESULT PGresult *result = NULL;
        MR_TRY(next_result(attempt, &result, err));
        if (!result)
            return MR_OK;
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            return failure(attempt->pg, err);
    }
}

enum mr_status mr_db_listen(const char *conninfo, const char *channel, int timeout_ms, int cancel_fd,
                            struct mr_db_listener **ret, struct mr_err *err)
{
    /* As the pool's connections (db_connection.c), but without statement_timeout: LISTEN is all it runs. */
    static const char *const keys[] = {"keepalives_idle", "tcp_user_timeout", "dbname", NULL};
    const char *values[] = {"60", "30000", conninfo, NULL};
    MR_AUTO(mr_db_listener) struct mr_db_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return mr_fail_oom(err);
    listener->pg = PQconnectStartParams(keys, values, 1);
    if (!listener->pg)
        return failure(NULL, err);
    PQsetNoticeProcessor(listener->pg, mr_db_ignore_notice, NULL);
    struct attempt attempt = {.pg = listener->pg,
                              .due_us = mr_time_monotonic_us() + (int64_t)timeout_ms * 1000,
                              .cancel_fd = cancel_fd};
    MR_TRY(finish_connecting(&attempt, err));
    MR_TRY(start_listening(&attempt, channel, err));
    *ret = MR_TAKE(listener);
    return MR_OK;
}

void mr_db_listener_free(struct mr_db_listener *listener)
{
    if (!listener)
        return;
    PQfinish(listener->pg);
    free(listener);
}

int mr_db_listener_fd(const struct mr_db_listener *listener)
{
    return PQsocket(listener->pg);
}

enum mr_status mr_db_listener_next(struct mr_db_listener *listener, bool *ret_any,
                                   char payload[MR_DB_PAYLOAD_MAX], struct mr_err *err)
{
    PGnotify *notify = PQnotifies(listener->pg);
    if (!notify) { /* everything read so far is taken: read more if there is any */
        bool good = PQconsumeInput(listener->pg) && PQstatus(listener->pg) == CONNECTION_OK;
        notify = PQnotifies(listener->pg); /* a notification that came before the failure counts */
        if (!notify && !good)
            return failure(listener->pg, err);
    }
    *ret_any = notify != NULL;
    if (notify)
        snprintf(payload, MR_DB_PAYLOAD_MAX, "%s", notify->extra);
    PQfreemem(notify);
    return MR_OK;
}
