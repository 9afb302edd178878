/* POST, GET and DELETE /api/tasks/{id}/links: links to a task's files that need no login. */
#include "shared/data/links.h"

#include "shared/base/fields.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"

#include <openssl/crypto.h>

struct order {
    int64_t seconds;
};

static const struct mr_field fields[] = {
    {"expires_in", MR_FIELD_INTEGER, MR_FIELD_AT(struct order, seconds), .min = 1,
     .max = MR_LINK_SECONDS_MAX},
};
static const struct mr_field_table table = {.rows = MR_FIELD_ROWS(fields),
                                            .noun = "field",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

/* A body is not needed. */
static enum mr_status read_order(struct mr_request *req, struct order *ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_JSON json_t *kept = json_object();
    ret->seconds = MR_LINK_SECONDS;
    if (!kept)
        return mr_fail_oom(err);
    if (mr_request_content_length(req) == 0)
        return MR_OK;
    MR_TRY(mr_body_fields(req, &body, err));
    return mr_fields_take_all(&table, ret, kept, body, mr_body_is_form(req), err);
}

/* Without n, it is the first file. */
static enum mr_status add_url(struct mr_web *web, const struct mr_request *req, json_t *view,
                              const char *token, struct mr_err *err)
{
    const char *base = web->config->public_url[0] ? web->config->public_url : mr_request_base_url(req);
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    json_t *url = json_sprintf("%.*s/api/files/%s?token=%s", (int)len, base,
                               json_string_value(json_object_get(view, "file_id")), token);
    if (json_object_set_new(view, "url", url) != 0)
        return mr_fail_oom(err);
    json_object_del(view, "file_id");
    return MR_OK;
}

enum mr_status mr_api_link_post(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    struct order order = {0};
    char token[MR_SECRET_TOKEN_MAX];
    MR_AUTO_JSON json_t *view = NULL;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    MR_TRY(mr_caller_refuse_guest(caller.is_guest, "link", err));
    MR_TRY(read_order(req, &order, err));
    MR_TRY(
        mr_link_make(web->db, caller.user_id, mr_request_param(req, "id"), order.seconds, token, &view, err));
    enum mr_status status = add_url(web, req, view, token, err);
    OPENSSL_cleanse(token, sizeof token);
    MR_TRY(status);
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, 201, MR_TAKE(view), err);
}

enum mr_status mr_api_link_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *links = NULL;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_links_list(web->db, user_id, mr_request_param(req, "id"), &links, err));
    return mr_respond_json(req, 200, links, err);
}

enum mr_status mr_api_link_revoke(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(
        mr_link_delete(web->db, user_id, mr_request_param(req, "id"), mr_request_param(req, "link_id"), err));
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the link is revoked"), err);
}
