/* GET /api/deliveries, POST /api/deliveries/{id}/replay. */
#include "shared/data/deliveries.h"

#include "shared/base/encoding.h"
#include "shared/data/quota_check.h"
#include "web/api/api.h"
#include "web/caller.h"

#include <inttypes.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

static enum mr_status read_filter(const struct mr_request *req, struct mr_delivery_filter *filter,
                                  struct mr_err *err)
{
    static const char *const states[] = {"pending", "sending", "sent", "failed", "skipped"};
    const char *max = mr_request_query(req, "max"), *before = mr_request_query(req, "before");
    filter->status = mr_request_query(req, "status");
    if (max && !mr_parse_int64(max, 1, LIST_MAX, &filter->max))
        return mr_fail(err, MR_INVALID, "max must be a whole number from 1 to %d", LIST_MAX);
    if (before && !mr_parse_int64(before, 1, INT64_MAX, &filter->before))
        return mr_fail(err, MR_INVALID, "before must be the number of a delivery");
    for (size_t i = 0; filter->status && i < sizeof states / sizeof *states; i++)
        if (strcmp(filter->status, states[i]) == 0)
            return MR_OK;
    return filter->status
               ? mr_fail(err, MR_INVALID, "status must be pending, sending, sent, failed or skipped")
               : MR_OK;
}

static enum mr_status add_next_link(struct mr_request *req, const struct mr_delivery_filter *filter,
                                    const json_t *list, struct mr_err *err)
{
    char link[160];
    size_t count = json_array_size(list);
    if ((int64_t)count < filter->max)
        return MR_OK;
    int64_t last = json_integer_value(json_object_get(json_array_get(list, count - 1), "id"));
    snprintf(link, sizeof link, "</api/deliveries?max=%" PRId64 "&before=%" PRId64 "%s%s>; rel=\"next\"",
             filter->max, last, filter->status ? "&status=" : "", filter->status ? filter->status : "");
    return mr_respond_header(req, "Link", link, err);
}

enum mr_status mr_api_delivery_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_delivery_filter filter = {.max = LIST_DEFAULT};
    int64_t user_id = 0;
    MR_AUTO_JSON json_t *list = NULL;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(read_filter(req, &filter, err));
    MR_TRY(mr_deliveries_list(web->db, user_id, &filter, &list, err));
    MR_TRY(add_next_link(req, &filter, list, err));
    return mr_respond_json(req, 200, MR_TAKE(list), err);
}

static enum mr_status publish(struct mr_web *web, const struct mr_message *message, struct mr_err *err)
{
    MR_TRY(mr_publish(&web->publisher, message, 1, MR_PUBLISH_REQUEST_MS, err));
    return mr_deliveries_mark(web->db, message, 1, err);
}

enum mr_status mr_api_delivery_replay(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_message message = {0};
    struct mr_err cause;
    int64_t user_id = 0;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_quota_check(web->db, &web->config->quotas, user_id, &(struct mr_quota_need){.deliveries = 1},
                          err));
    MR_TRY(mr_delivery_replay(web->db, user_id, mr_request_param(req, "id"), &message, err));
    if (publish(web, &message, &cause) != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot publish a delivery: the sweep will", &cause,
                   "{s:I}", "delivery_id", (json_int_t)message.id);
    return mr_respond_json(
        req, 202, json_pack("{s:s}", "message", "the webhook is sent again, with the same webhook-id"), err);
}
