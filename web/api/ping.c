/*
 * GET /ping and /converter-health: send a message through the whole loop, from web over the queue to a worker
 * and back through the database.
 *
 * They need no login, so they must be cheap: requests share pings (pings.h), and only a few may wait for the
 * pong.
 */
#include "shared/base/clock.h"
#include "shared/data/pings.h"
#include "web/api/api.h"

#include <time.h>

enum { WAIT_MS = 10000, WAITERS_MAX = 4, LOOK_FIRST_MS = 5, LOOK_LAST_MS = 200 };

static enum mr_status send_ping(struct mr_web *web, const struct mr_request *req, struct mr_ping *ret,
                                struct mr_err *err)
{
    bool made = false;
    if (mr_ping_begin(web->db, ret, &made, err) != MR_OK) {
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "cannot create a ping", err, NULL);
        return mr_fail_code(err, MR_CODE_DATABASE_UNAVAILABLE, "database does not answer");
    }
    const struct mr_message message = mr_ping_message(ret);
    if (!made || mr_publish(&web->publisher, &message, 1, MR_PUBLISH_PING_MS, err) == MR_OK)
        return MR_OK;
    mr_log_err(mr_request_log(req), MR_LOG_ERROR, "cannot publish a ping", err, NULL);
    (void)!mr_ping_forget(web->db, ret->id, NULL);
    return mr_fail_code(err, MR_CODE_CONVERTER_UNAVAILABLE, "queue does not accept the ping");
}

/* Looks for the pong, at growing intervals. MR_TIMEOUT without one. */
static enum mr_status wait_for_pong(struct mr_web *web, struct mr_ping *ping, struct mr_err *err)
{
    const int64_t due_us = mr_time_monotonic_us() + WAIT_MS * INT64_C(1000);
    for (int ms = LOOK_FIRST_MS; ping->ms < 0; ms = ms * 2 < LOOK_LAST_MS ? ms * 2 : LOOK_LAST_MS) {
        if (mr_time_monotonic_us() >= due_us)
            return mr_fail(err, MR_TIMEOUT, "pong did not arrive within %d s", WAIT_MS / 1000);
        const struct timespec interval = {.tv_nsec = ms * 1000000L};
        nanosleep(&interval, NULL);
        MR_TRY(mr_ping_get(web->db, ping->id, ping, err));
    }
    return MR_OK;
}

static enum mr_status answer_sent(struct mr_request *req, const struct mr_ping *ping, struct mr_err *err)
{
    return mr_respond_json(
        req, 200,
        json_pack("{s:s,s:s,s:s}", "message", "ping sent", "status", "ok", "sent_at", ping->sent_at), err);
}

static enum mr_status answer_health(struct mr_web *web, struct mr_request *req, struct mr_ping *ping,
                                    struct mr_err *err)
{
    if (wait_for_pong(web, ping, err) != MR_OK) {
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "converter does not answer", err, "{s:I}", "ping",
                   (json_int_t)ping->id);
        return mr_fail_code(err, MR_CODE_CONVERTER_UNAVAILABLE, "converter did not answer a ping in time");
    }
    return mr_respond_json(req, 200,
                           json_pack("{s:s,s:b,s:I,s:s,s:s}", "status", "healthy", "pong", true, "ms",
                                     (json_int_t)ping->ms, "sent_at", ping->sent_at, "pong_at",
                                     ping->pong_at),
                           err);
}

enum mr_status mr_api_ping(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_ping ping;
    MR_TRY(send_ping(app, req, &ping, err));
    return answer_sent(req, &ping, err);
}

static enum mr_status check_health(struct mr_web *web, struct mr_request *req, struct mr_err *err)
{
    struct mr_ping ping;
    MR_TRY(send_ping(web, req, &ping, err));
    return answer_health(web, req, &ping, err);
}

enum mr_status mr_api_converter_health(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    const char *wait = mr_request_query(req, "wait");
    if (!wait || strcmp(wait, "1") != 0)
        return mr_api_ping(app, req, err);
    if (atomic_fetch_add(&web->ping_waiters, 1) >= WAITERS_MAX) {
        atomic_fetch_sub(&web->ping_waiters, 1);
        return mr_fail(err, MR_EXHAUSTED, "too many requests wait for the converter: at most %d",
                       WAITERS_MAX);
    }
    enum mr_status status = check_health(web, req, err);
    atomic_fetch_sub(&web->ping_waiters, 1);
    return status;
}
