#include "shared/data/db_wait.h"

#include "shared/base/clock.h"

#include <errno.h>
#include <poll.h>

enum { REASON_MAX = 300 };

struct mr_db_wait mr_db_wait_of(int timeout_ms, int hurry_fd, int grace_ms)
{
    return (struct mr_db_wait){.due_us = mr_time_monotonic_us() + timeout_ms * INT64_C(1000),
                               .hurry_fd = hurry_fd,
                               .grace_ms = grace_ms};
}

enum mr_status mr_db_fail_pg(const PGconn *pg, struct mr_err *err)
{
    const char *message = pg ? PQerrorMessage(pg) : "no memory for a connection";
    size_t len = strcspn(message, "\n");
    return mr_fail(err, MR_UNAVAILABLE, "database: %.*s", (int)(len < REASON_MAX ? len : REASON_MAX),
                   message);
}

/* From now on there is only the grace, and the descriptor has nothing more to say. */
static void hurry(struct mr_db_wait *wait)
{
    const int64_t due_us = mr_time_monotonic_us() + wait->grace_ms * INT64_C(1000);
    wait->hurry_fd = -1;
    if (due_us < wait->due_us)
        wait->due_us = due_us;
}

enum mr_status mr_db_wait_for(struct mr_db_wait *wait, const PGconn *pg, short events, struct mr_err *err)
{
    bool hurried = false;
    if (PQsocket(pg) < 0)
        return mr_db_fail_pg(pg, err);
    for (;;) {
        struct pollfd fds[2] = {{.fd = PQsocket(pg), .events = events},
                                {.fd = wait->hurry_fd, .events = POLLIN}};
        int64_t left_us = wait->due_us - mr_time_monotonic_us();
        if (left_us <= 0)
            return hurried ? mr_fail(err, MR_CANCELED, "database: the wait for its answer was canceled")
                           : mr_fail(err, MR_TIMEOUT, "database: the answer did not come in time");
        int ready = poll(fds, 2, (int)(left_us / 1000) + 1);
        if (ready < 0 && errno != EINTR)
            return mr_fail_errno(err, MR_INTERNAL, errno, "poll");
        if (ready > 0 && fds[0].revents)
            return MR_OK;
        if (ready > 0 && fds[1].revents) {
            hurry(wait);
            hurried = true;
        }
    }
}

enum mr_status mr_db_wait_connected(struct mr_db_wait *wait, PGconn *pg, struct mr_err *err)
{
    if (!pg || PQstatus(pg) == CONNECTION_BAD)
        return mr_db_fail_pg(pg, err);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        MR_TRY(mr_db_wait_for(wait, pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, err));
        state = PQconnectPoll(pg);
        if (state == PGRES_POLLING_FAILED)
            return mr_db_fail_pg(pg, err);
    }
    return PQsetnonblocking(pg, 1) == 0 ? MR_OK : mr_db_fail_pg(pg, err);
}

enum mr_status mr_db_wait_sent(struct mr_db_wait *wait, PGconn *pg, struct mr_err *err)
{
    int left = PQflush(pg);
    while (left == 1) {
        /* A server that does not read on may be waiting for us to read. */
        MR_TRY(mr_db_wait_for(wait, pg, POLLIN | POLLOUT, err));
        if (!PQconsumeInput(pg))
            return mr_db_fail_pg(pg, err);
        left = PQflush(pg);
    }
    return left == 0 ? MR_OK : mr_db_fail_pg(pg, err);
}

enum mr_status mr_db_wait_result(struct mr_db_wait *wait, PGconn *pg, PGresult **ret, struct mr_err *err)
{
    if (PQstatus(pg) == CONNECTION_OK)
        MR_TRY(mr_db_wait_sent(wait, pg, err));
    while (PQisBusy(pg)) {
        MR_TRY(mr_db_wait_for(wait, pg, POLLIN, err));
        if (!PQconsumeInput(pg))
            break; /* PQgetResult says why */
    }
    *ret = PQgetResult(pg);
    return MR_OK;
}

static bool is_failure(const PGresult *result)
{
    ExecStatusType outcome = PQresultStatus(result);
    return outcome == PGRES_FATAL_ERROR || outcome == PGRES_BAD_RESPONSE;
}

enum mr_status mr_db_wait_last_result(struct mr_db_wait *wait, PGconn *pg, PGresult **ret, struct mr_err *err)
{
    PGresult *last = NULL;
    for (;;) {
        PGresult *result = NULL;
        enum mr_status status = mr_db_wait_result(wait, pg, &result, err);
        if (status != MR_OK) {
            PQclear(last);
            return status;
        }
        if (!result)
            break;
        if (last && is_failure(last)) {
            PQclear(result);
            continue;
        }
        PQclear(last);
        last = result;
        if (PQresultStatus(last) == PGRES_COPY_IN || PQstatus(pg) == CONNECTION_BAD)
            break;
    }
    *ret = last;
    return last ? MR_OK : mr_db_fail_pg(pg, err);
}
