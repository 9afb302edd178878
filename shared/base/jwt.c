#include "shared/base/jwt.h"

#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

#include <errno.h>
#include <jwt.h>

enum {
    LEEWAY_S = 30,
    TOKEN_MAX = 16 * 1024 /* libjwt takes an int; valid tokens are much shorter */
};

static void jwt_cleanup(jwt_t **jwt)
{
    jwt_free(*jwt);
}
#define AUTO_JWT __attribute__((cleanup(jwt_cleanup)))

static enum mr_status sign(jwt_alg_t alg, const char *key, const char *key_id, const json_t *claims,
                           char **ret_token, struct mr_err *err)
{
    MR_AUTO_STR char *claims_text = json_dumps(claims, JSON_COMPACT);
    if (!claims_text)
        return mr_fail(err, MR_INTERNAL, "token claims cannot be written as JSON");
    AUTO_JWT jwt_t *jwt = NULL;
    int error = jwt_new(&jwt);
    if (!error)
        error = jwt_add_grants_json(jwt, claims_text);
    if (!error && key_id)
        error = jwt_add_header(jwt, "kid", key_id);
    if (!error)
        error = jwt_set_alg(jwt, alg, (const unsigned char *)key, (int)strlen(key));
    if (error)
        return mr_fail_errno(err, MR_INTERNAL, error, "cannot build the token");
    errno = 0;
    char *token = jwt_encode_str(jwt);
    if (!token)
        return mr_fail_errno(err, MR_INTERNAL, errno, "cannot sign the token");
    *ret_token = token;
    return MR_OK;
}

enum mr_status mr_jwt_sign_hs256(const char *secret, const json_t *claims, char **ret_token,
                                 struct mr_err *err)
{
    if (!*secret)
        return mr_fail(err, MR_INTERNAL, "empty token secret");
    return sign(JWT_ALG_HS256, secret, NULL, claims, ret_token, err);
}

enum mr_status mr_jwt_sign_rs256(const char *private_key, const char *key_id, const json_t *claims,
                                 char **ret_token, struct mr_err *err)
{
    if (!*private_key)
        return mr_fail(err, MR_INTERNAL, "empty private key");
    return sign(JWT_ALG_RS256, private_key, key_id, claims, ret_token, err);
}

/* What a failed jwt_decode means; errno was 0 before. libjwt calls a token invalid when memory ran out for its
 * JSON or its digest, but malloc says so. */
static enum mr_status refuse(int error, const char *fault, struct mr_err *err)
{
    if (error == ENOMEM || errno == ENOMEM)
        return mr_fail_oom(err);
    return mr_fail(err, MR_UNAUTHENTICATED, "%s", fault);
}

/* Reads the token without a key: libjwt then checks only its form, and drops the algorithm, but keeps the header.
 * The header's alg must be exactly the one that the caller pinned. */
static enum mr_status open_pinned(const char *token, jwt_alg_t alg, jwt_t **ret, struct mr_err *err)
{
    if (strlen(token) > TOKEN_MAX)
        return mr_fail(err, MR_UNAUTHENTICATED, "token too long");
    AUTO_JWT jwt_t *jwt = NULL;
    errno = 0;
    int error = jwt_decode(&jwt, token, NULL, 0);
    if (error)
        return refuse(error, "malformed token", err);
    const char *claimed = jwt_get_header(jwt, "alg");
    if (!claimed || strcmp(claimed, jwt_alg_str(alg)) != 0)
        return refuse(0, "token algorithm not accepted", err);
    *ret = MR_TAKE(jwt);
    return MR_OK;
}

/* Requires a valid signature of the pinned algorithm. */
static enum mr_status open_verified(const char *token, jwt_alg_t alg, const char *key, jwt_t **ret,
                                    struct mr_err *err)
{
    if (!*key) /* libjwt does not verify with an empty key */
        return mr_fail(err, MR_INTERNAL, "empty token key");
    AUTO_JWT jwt_t *jwt = NULL;
    errno = 0;
    int error = jwt_decode(&jwt, token, (const unsigned char *)key, (int)strlen(key));
    if (error || jwt_get_alg(jwt) != alg)
        return refuse(error, "token signature is not valid", err);
    *ret = MR_TAKE(jwt);
    return MR_OK;
}

enum time_rule { NOT_BEFORE_NOW, NOT_AFTER_NOW };

static enum mr_status check_time(const json_t *claims, const char *name, enum time_rule rule, bool required,
                                 const char *fault, struct mr_err *err)
{
    const json_t *claim = json_object_get(claims, name);
    if (!claim && !required)
        return MR_OK;
    if (!json_is_integer(claim))
        return mr_fail(err, MR_UNAUTHENTICATED, "token without a valid %s", name);
    json_int_t now = mr_time_now_us() / 1000000;
    json_int_t value = json_integer_value(claim);
    if (rule == NOT_BEFORE_NOW ? value < now - LEEWAY_S : value > now + LEEWAY_S)
        return mr_fail(err, MR_UNAUTHENTICATED, "%s", fault);
    return MR_OK;
}

static enum mr_status check_times(const json_t *claims, struct mr_err *err)
{
    static const struct {
        const char *name;
        enum time_rule rule;
        bool required;
        const char *fault;
    } rules[] = {
        {"exp", NOT_BEFORE_NOW, true, "token has expired"},
        {"nbf", NOT_AFTER_NOW, false, "token is not valid yet"},
        {"iat", NOT_AFTER_NOW, false, "token was issued in the future"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        MR_TRY(check_time(claims, rules[i].name, rules[i].rule, rules[i].required, rules[i].fault, err));
    }
    return MR_OK;
}

static enum mr_status take_claims(jwt_t *jwt, json_t **ret_claims, struct mr_err *err)
{
    errno = 0;
    MR_AUTO_STR char *text = jwt_get_grants_json(jwt, NULL);
    if (!text)
        return refuse(0, "malformed token", err);
    MR_AUTO_JSON json_t *claims = NULL;
    enum mr_status status = mr_json_parse(text, strlen(text), JSON_REJECT_DUPLICATES, &claims, err);
    if (status == MR_EXHAUSTED)
        return status;
    if (!json_is_object(claims))
        return mr_fail(err, MR_UNAUTHENTICATED, "malformed token");
    MR_TRY(check_times(claims, err));
    *ret_claims = MR_TAKE(claims);
    return MR_OK;
}

enum mr_status mr_jwt_verify_hs256(const char *secret, const char *token, json_t **ret_claims,
                                   struct mr_err *err)
{
    AUTO_JWT jwt_t *unverified = NULL;
    AUTO_JWT jwt_t *jwt = NULL;
    MR_TRY(open_pinned(token, JWT_ALG_HS256, &unverified, err));
    MR_TRY(open_verified(token, JWT_ALG_HS256, secret, &jwt, err));
    return take_claims(jwt, ret_claims, err);
}

enum mr_status mr_jwt_verify_rs256(const char *token, mr_jwt_key_lookup *lookup, void *lookup_ctx,
                                   json_t **ret_claims, struct mr_err *err)
{
    AUTO_JWT jwt_t *unverified = NULL;
    MR_TRY(open_pinned(token, JWT_ALG_RS256, &unverified, err));
    const char *key_id = jwt_get_header(unverified, "kid");
    if (!key_id)
        return mr_fail(err, MR_UNAUTHENTICATED, "token without a key id");
    MR_AUTO_STR char *public_key = NULL;
    enum mr_status status = lookup(lookup_ctx, key_id, &public_key, err);
    if (status == MR_NOT_FOUND)
        return mr_fail(err, MR_UNAUTHENTICATED, "token signed with an unknown key");
    if (status != MR_OK)
        return status;
    AUTO_JWT jwt_t *jwt = NULL;
    MR_TRY(open_verified(token, JWT_ALG_RS256, public_key, &jwt, err));
    return take_claims(jwt, ret_claims, err);
}

enum mr_status mr_jwt_read_unverified(const char *token, json_t **ret_claims, struct mr_err *err)
{
    AUTO_JWT jwt_t *jwt = NULL;
    MR_TRY(open_pinned(token, JWT_ALG_RS256, &jwt, err));
    return take_claims(jwt, ret_claims, err);
}
