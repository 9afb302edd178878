/* Liveness, and the database's health. */
#include "web/api/api.h"

enum mr_status mr_api_alive(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return mr_respond_json(req, 200, json_pack("{s:s}", "status", "alive"), err);
}

enum mr_status mr_api_health(void *app, struct mr_request *req, struct mr_err *err)
{
    static const struct mr_statement one = {"health", "SELECT 1", 0};
    struct mr_web *web = app;
    enum mr_status status = mr_db_exec(web->db, &one, NULL, NULL, err);
    if (status == MR_UNAVAILABLE) /* a connection that had gone stale tells nothing of the database */
        status = mr_db_exec(web->db, &one, NULL, NULL, err);
    if (status == MR_OK)
        return mr_respond_json(req, 200, json_pack("{s:s,s:s}", "status", "healthy", "database", "reachable"),
                               err);
    mr_log_err(mr_request_log(req), MR_LOG_ERROR, "the database does not answer", err, NULL);
    return mr_fail_code(err, MR_UNAVAILABLE, "database_unavailable", "the database does not answer");
}
