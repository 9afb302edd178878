/*
 * GET /ping and /converter-health: a message through the whole loop, from here over the queue to a worker and
 * back into the database.
 *
 * Nobody needs to log in for them, so they must not cost much: pings are shared (pings.h), and few requests
 * may wait for the answer.
 */
#include "shared/data/pings.h"
#include "web/api/api.h"

#include <time.h>

enum { PUBLISH_TIMEOUT_MS = 5000, WAIT_MS = 10000, WAITERS_MAX = 4, LOOK_FIRST_MS = 5, LOOK_LAST_MS = 200 };

static enum mr_status unavailable(struct mr_err *err, const char *detail)
{
    return mr_fail_code(err, MR_CODE_CONVERTER_UNAVAILABLE, "%s", detail);
}

static enum mr_status send_ping(struct mr_web *web, const struct mr_request *req, struct mr_ping *ret,
                                struct mr_err *err)
{
    bool made = false;
    enum mr_status status = mr_ping_begin(web->db, ret, &made, err);
    if (status != MR_OK) {
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "the database does not answer", err, NULL);
        return mr_fail_code(err, MR_CODE_DATABASE_UNAVAILABLE, "the database does not answer");
    }
    const struct mr_message message = mr_ping_message(ret);
    if (!made || mr_publish(&web->publisher, &message, 1, PUBLISH_TIMEOUT_MS, err) == MR_OK)
        return MR_OK;
    mr_log_err(mr_request_log(req), MR_LOG_ERROR, "a ping could not be published", err, NULL);
    struct mr_err ignored;
    (void)!mr_ping_forget(web->db, ret->id, &ignored);
    return unavailable(err, "the queue does not take the ping");
}

/* Looks for the answer, at growing intervals. MR_TIMEOUT when none came. */
static enum mr_status wait_for_pong(struct mr_web *web, struct mr_ping *ping, struct mr_err *err)
{
    const int64_t due_us = mr_time_monotonic_us() + WAIT_MS * INT64_C(1000);
    for (int ms = LOOK_FIRST_MS; ping->ms < 0; ms = ms * 2 < LOOK_LAST_MS ? ms * 2 : LOOK_LAST_MS) {
        if (mr_time_monotonic_us() >= due_us)
            return mr_fail(err, MR_TIMEOUT, "no pong within %d s", WAIT_MS / 1000);
        const struct timespec interval = {.tv_nsec = ms * 1000000L};
        nanosleep(&interval, NULL);
        enum mr_status status = mr_ping_get(web->db, ping->id, ping, err);
        if (status != MR_OK)
            return status;
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
    enum mr_status status = wait_for_pong(web, ping, err);
    if (status != MR_OK) {
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "the converter does not answer", err, "{s:I}", "ping",
                   (json_int_t)ping->id);
        return unavailable(err, "the converter did not answer a ping in time");
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
    enum mr_status status = send_ping(app, req, &ping, err);
    return status == MR_OK ? answer_sent(req, &ping, err) : status;
}

enum mr_status mr_api_converter_health(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    const char *wait = mr_request_query(req, "wait");
    struct mr_ping ping;
    if (!wait || strcmp(wait, "1") != 0)
        return mr_api_ping(app, req, err);
    if (atomic_fetch_add(&web->ping_waiters, 1) >= WAITERS_MAX) {
        atomic_fetch_sub(&web->ping_waiters, 1);
        return mr_fail(err, MR_EXHAUSTED, "%d requests wait for the converter's answer already", WAITERS_MAX);
    }
    enum mr_status status = send_ping(web, req, &ping, err);
    if (status == MR_OK)
        status = answer_health(web, req, &ping, err);
    atomic_fetch_sub(&web->ping_waiters, 1);
    return status;
}
