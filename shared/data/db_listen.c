#include "shared/data/db_listen.h"

#include "shared/data/db_connection.h"

struct mr_db_listener {
    PGconn *pg;
};

/* Runs SQL whose rows do not matter. */
static enum mr_status run(struct mr_db_wait *wait, PGconn *pg, const char *sql, struct mr_err *err)
{
    MR_AUTO_RESULT PGresult *result = NULL;
    if (!PQsendQuery(pg, sql))
        return mr_db_fail_pg(pg, err);
    MR_TRY(mr_db_wait_last_result(wait, pg, &result, err));
    ExecStatusType outcome = PQresultStatus(result);
    return outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK ? MR_OK : mr_db_fail_pg(pg, err);
}

static enum mr_status start_listening(struct mr_db_wait *wait, PGconn *pg, const char *channel,
                                      struct mr_err *err)
{
    char *name = PQescapeIdentifier(pg, channel, strlen(channel));
    char sql[128];
    int len = name ? snprintf(sql, sizeof sql, "LISTEN %s", name) : -1;
    PQfreemem(name);
    if (len < 0 || len >= (int)sizeof sql)
        return mr_fail(err, MR_INVALID, "database: invalid channel name");
    return run(wait, pg, sql, err);
}

enum mr_status mr_db_listen(const char *conninfo, const char *channel, int timeout_ms, int cancel_fd,
                            struct mr_db_listener **ret, struct mr_err *err)
{
    /* As the pool's connections (db_connection.c), but without statement_timeout: it runs nothing long. */
    static const char *const keys[] = {"keepalives_idle", "tcp_user_timeout", "application_name", "dbname",
                                       NULL};
    const char *values[] = {"60", "30000", channel, conninfo, NULL};
    MR_AUTO(mr_db_listener) struct mr_db_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return mr_fail_oom(err);
    listener->pg = PQconnectStartParams(keys, values, 1);
    struct mr_db_wait wait = mr_db_wait_of(timeout_ms, cancel_fd, 0);
    MR_TRY(mr_db_wait_connected(&wait, listener->pg, err));
    PQsetNoticeProcessor(listener->pg, mr_db_ignore_notice, NULL);
    MR_TRY(start_listening(&wait, listener->pg, channel, err));
    *ret = MR_TAKE(listener);
    return MR_OK;
}

enum mr_status mr_db_listener_check(struct mr_db_listener *listener, int timeout_ms, int cancel_fd,
                                    struct mr_err *err)
{
    struct mr_db_wait wait = mr_db_wait_of(timeout_ms, cancel_fd, 0);
    return run(&wait, listener->pg, "SELECT 1", err);
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
            return mr_db_fail_pg(listener->pg, err);
    }
    *ret_any = notify != NULL;
    if (notify)
        snprintf(payload, MR_DB_PAYLOAD_MAX, "%s", notify->extra);
    PQfreemem(notify);
    return MR_OK;
}
