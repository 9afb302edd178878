/* GET /api/status: how web, database, storage and the loop through queue and workers are, for everybody. What /status shows. */
#include "shared/base/version.h"
#include "shared/data/pings.h"
#include "shared/data/readiness.h"
#include "web/api/api.h"

enum { PINGS_MAX = 20 };

static enum mr_status look_at_database(struct mr_web *web, json_t **ret_pings, struct mr_err *err)
{
    MR_TRY(mr_ready_to_create(web->db, err));
    return mr_pings_last(web->db, PINGS_MAX, ret_pings, err);
}

static json_t *storage_view(struct mr_storage_facts facts)
{
    if (!facts.is_known)
        return json_pack("{s:s}", "state", "unknown");
    return json_pack("{s:s,s:I}", "state", facts.answers ? "up" : "down", "ms", (json_int_t)facts.ms);
}

enum mr_status mr_api_status(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    json_t *pings = NULL;
    struct mr_err cause = {0};
    const bool has_database = look_at_database(web, &pings, &cause) == MR_OK;
    if (!has_database)
        mr_log_err(mr_request_log(req), MR_LOG_ERROR, "health check failed", &cause, NULL);
    const struct mr_storage_facts storage =
        mr_storage_health_look(&web->storage_health, web->cloud.storage, mr_request_log(req));
    json_t *body = json_pack("{s:{s:s,s:s},s:{s:s},s:o,s:o}", "web", "state", "up", "version", mr_version,
                             "database", "state", has_database ? "up" : "down", "storage",
                             storage_view(storage), "pings", pings ? pings : json_array());
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, 200, body, err);
}
