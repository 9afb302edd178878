/* GET /metrics: for operators, and for who has METRICS_TOKEN. */
#include "shared/data/pool_metrics.h"
#include "web/api/api.h"
#include "web/operator.h"

enum mr_status mr_api_metrics(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO(mr_user) struct mr_user user = {0};
    if (!mr_http_metrics_is_token(req, web->config->metrics_token))
        MR_TRY(mr_operator_admit(web, req, "metrics", &user, err));
    mr_pool_metrics_read(web->db, web->metrics);
    return mr_http_metrics_respond(web->metrics, req, err);
}
