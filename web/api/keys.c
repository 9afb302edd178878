/* POST, GET and DELETE /api/keys: the API keys of a user. A key cannot make keys, and can revoke itself alone. */
#include "shared/data/api_keys.h"

#include "shared/base/encoding.h"
#include "shared/base/fields.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"

#include <openssl/crypto.h>

enum { NAME_MAX_CHARACTERS = 100, SECONDS_MAX = 10 * 366 * 86400 };

#define AT(member) MR_FIELD_AT(struct mr_api_key_order, member)

static const struct mr_field fields[] = {
    {"name", MR_FIELD_TEXT, AT(name), .required = true, .max = NAME_MAX_CHARACTERS},
    {"expires_in", MR_FIELD_INTEGER, AT(seconds), .min = 1, .max = SECONDS_MAX},
};
static const struct mr_field_table table = {.rows = MR_FIELD_ROWS(fields),
                                            .noun = "field",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

static enum mr_status add_scope(struct mr_api_key_order *order, const char *name, size_t len,
                                struct mr_err *err)
{
    static const char read[] = "read", write[] = "write";
    if (len == strlen(read) && memcmp(name, read, len) == 0)
        order->can_read = true;
    else if (len == strlen(write) && memcmp(name, write, len) == 0)
        order->can_write = true;
    else
        return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "scopes must be read, write or both");
    return MR_OK;
}

/* "read write" or "read,write": the only form that a form can have. */
static enum mr_status add_words(struct mr_api_key_order *order, const char *text, struct mr_err *err)
{
    static const char between[] = " ,";
    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        size_t len = strcspn(text, between);
        MR_TRY(add_scope(order, text, len, err));
        text += len;
    }
    return MR_OK;
}

static enum mr_status read_scopes(struct mr_api_key_order *order, const json_t *scopes, struct mr_err *err)
{
    size_t i;
    json_t *scope;
    if (scopes && !json_is_array(scopes) && !json_is_string(scopes))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "scopes must be an array of read, write or both");
    if (json_is_string(scopes))
        MR_TRY(add_words(order, json_string_value(scopes), err));
    json_array_foreach (scopes, i, scope) {
        if (!json_is_string(scope))
            return mr_fail_code(err, MR_CODE_WRONG_TYPE, "scopes must be an array of read, write or both");
        MR_TRY(add_scope(order, json_string_value(scope), json_string_length(scope), err));
    }
    if (!order->can_read && !order->can_write)
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "scopes is required: read, write or both");
    return MR_OK;
}

/* The texts of the order belong to kept, an object. */
static enum mr_status read_order(struct mr_request *req, json_t *kept, struct mr_api_key_order *ret,
                                 struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(mr_body_fields(req, &body, err));
    MR_TRY(read_scopes(ret, json_object_get(body, "scopes"), err));
    (void)json_object_del(body, "scopes");
    MR_TRY(mr_fields_take_all(&table, ret, kept, body, mr_body_is_form(req), err));
    return mr_fields_check_required(&table, kept, err);
}

enum mr_status mr_api_key_post(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_api_key_order order = {0};
    int64_t user_id = 0;
    char key[MR_API_KEY_MAX];
    MR_AUTO_JSON json_t *kept = json_object();
    MR_AUTO_JSON json_t *view = NULL;
    MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(read_order(req, kept, &order, err));
    MR_TRY(mr_api_key_create(web->db, user_id, &order, key, &view, err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "API key made", "{s:I,s:I}", "user_id",
                 (json_int_t)user_id, "key_id", (json_int_t)json_integer_value(json_object_get(view, "id")));
    int failed = json_object_set_new(view, "key", json_string(key));
    OPENSSL_cleanse(key, sizeof key);
    if (failed)
        return mr_fail_oom(err);
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, 201, MR_TAKE(view), err);
}

enum mr_status mr_api_key_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    json_t *keys = NULL;
    MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(mr_api_keys_list(web->db, user_id, &keys, err));
    return mr_respond_json(req, 200, keys, err);
}

/* A program that a user signs out of gives its key back. */
static bool is_own_key(const struct mr_caller *caller, const struct mr_request *req)
{
    int64_t id = 0;
    return caller->by_key && mr_parse_int64(mr_request_param(req, "id"), 1, INT64_MAX, &id) &&
           id == caller->key_id;
}

enum mr_status mr_api_key_revoke(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    int64_t user_id = 0;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    if (is_own_key(&caller, req))
        user_id = caller.user_id;
    else
        MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(mr_api_key_delete(web->db, user_id, mr_request_param(req, "id"), err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "API key revoked", "{s:I,s:s}", "user_id",
                 (json_int_t)user_id, "key_id", mr_request_param(req, "id"));
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the key is revoked"), err);
}
