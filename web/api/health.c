/* Liveness, and the database's health. */
#include "shared/base/version.h"
#include "shared/data/readiness.h"
#include "web/api/api.h"

enum mr_status mr_api_alive(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return mr_respond_json(req, 200, json_pack("{s:s,s:s}", "status", "alive", "version", mr_version), err);
}

enum mr_status mr_api_health(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    if (mr_db_ping(web->db, err) == MR_OK && mr_ready_to_create(web->db, err) == MR_OK)
        return mr_respond_json(req, 200, json_pack("{s:s,s:s}", "status", "healthy", "database", "reachable"),
                               err);
    mr_log_err(mr_request_log(req), MR_LOG_ERROR, "health check failed", err, NULL);
    return mr_fail_code(err, MR_CODE_DATABASE_UNAVAILABLE, "database does not answer");
}
