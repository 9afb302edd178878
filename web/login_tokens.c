#include "web/login_tokens.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/base/jwt.h"

#include <string.h>

static const char issuer[] = "mediarun";

enum mr_status mr_login_token_issue(const char *jwt_secret, const struct mr_login_token *login,
                                    char **ret_token, struct mr_err *err)
{
    int64_t now = mr_time_now_us() / 1000000;
    char subject[MR_INT64_TEXT_MAX];
    mr_int64_text(login->user_id, subject);
    MR_AUTO_JSON json_t *claims =
        json_pack("{s:s,s:s,s:I,s:I,s:I}", "iss", issuer, "sub", subject, "ver", (json_int_t)login->version,
                  "iat", (json_int_t)now, "exp", (json_int_t)login->expires_s);
    if (!claims || (login->is_guest && json_object_set_new(claims, "guest", json_true()) != 0))
        return mr_fail_oom(err);
    return mr_jwt_sign_hs256(jwt_secret, claims, ret_token, err);
}

enum mr_status mr_login_token_check(const char *jwt_secret, const char *token, struct mr_login_token *ret,
                                    struct mr_err *err)
{
    MR_AUTO_JSON json_t *claims = NULL;
    MR_TRY(mr_jwt_verify_hs256(jwt_secret, token, &claims, err));
    const char *by = json_string_value(json_object_get(claims, "iss"));
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    if (!by || strcmp(by, issuer) != 0 || !mr_parse_int64(subject, 1, INT64_MAX, &ret->user_id))
        return mr_fail(err, MR_UNAUTHENTICATED, "token rejected: wrong issuer or subject");
    ret->version = json_integer_value(json_object_get(claims, "ver")); /* 0: of a revision without versions */
    ret->is_guest = json_is_true(json_object_get(claims, "guest"));
    ret->expires_s = json_integer_value(json_object_get(claims, "exp"));
    return MR_OK;
}
