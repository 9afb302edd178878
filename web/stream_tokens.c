#include "web/stream_tokens.h"

#include "shared/base/clock.h"
#include "shared/base/json.h"
#include "shared/base/jwt.h"

#include <string.h>

/* Another issuer than that of login tokens: neither can be used as the other. */
static const char issuer[] = "mediarun-stream";

enum mr_status mr_stream_token_issue(const char *jwt_secret, const struct mr_stream_pass *pass,
                                     char **ret_token, struct mr_err *err)
{
    int64_t now = mr_time_now_us() / 1000000;
    MR_AUTO_JSON json_t *claims = json_pack(
        "{s:s,s:I,s:b,s:I,s:I,s:I,s:s,s:I,s:I,s:I}", "iss", issuer, "user", (json_int_t)pass->user_id,
        "guest", pass->is_guest, "ver", (json_int_t)pass->version, "key", (json_int_t)pass->key_id, "task",
        (json_int_t)pass->task_id, "file", pass->file_id, "ends", (json_int_t)pass->ends_s, "iat",
        (json_int_t)now, "exp", (json_int_t)(now + MR_STREAM_TOKEN_SECONDS));
    if (!claims)
        return mr_fail_oom(err);
    return mr_jwt_sign_hs256(jwt_secret, claims, ret_token, err);
}

bool mr_stream_token_is_one(const char *token)
{
    return strchr(token, '.') != NULL;
}

enum mr_status mr_stream_token_refuse(struct mr_err *err)
{
    return mr_fail_code(
        err, MR_CODE_BAD_STREAM_TOKEN,
        "token rejected: it has expired, was ended, or is for another purpose; ask for a new one");
}

enum mr_status mr_stream_token_check(const char *jwt_secret, const char *token, struct mr_stream_pass *ret,
                                     struct mr_err *err)
{
    MR_AUTO_JSON json_t *claims = NULL;
    if (mr_jwt_verify_hs256(jwt_secret, token, &claims, err) != MR_OK)
        return mr_stream_token_refuse(err);
    const char *by = json_string_value(json_object_get(claims, "iss"));
    if (!by || strcmp(by, issuer) != 0)
        return mr_stream_token_refuse(err);
    *ret = (struct mr_stream_pass){.user_id = json_integer_value(json_object_get(claims, "user")),
                                   .is_guest = json_is_true(json_object_get(claims, "guest")),
                                   .version = json_integer_value(json_object_get(claims, "ver")),
                                   .key_id = json_integer_value(json_object_get(claims, "key")),
                                   .task_id = json_integer_value(json_object_get(claims, "task")),
                                   .ends_s = json_integer_value(json_object_get(claims, "ends"))};
    const char *file = json_string_value(json_object_get(claims, "file"));
    snprintf(ret->file_id, sizeof ret->file_id, "%s", file ? file : "");
    return MR_OK;
}
