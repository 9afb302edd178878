#include "web/caller.h"

#include "shared/base/clock.h"
#include "shared/data/api_keys.h"

#include <strings.h>

static bool only_reads(const struct mr_request *req)
{
    const char *method = mr_request_method(req);
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static enum mr_status of_key(struct mr_web *web, const char *key, bool reads, struct mr_caller *ret,
                             struct mr_err *err)
{
    struct mr_api_key_use use = {0};
    MR_TRY(mr_api_key_use(web->db, key, &use, err));
    if (reads ? !use.can_read : !use.can_write)
        return mr_fail_code(err, MR_CODE_OUT_OF_SCOPE, "key: its scopes must include %s",
                            reads ? "read" : "write");
    /* As long as a login token lives: a client with a key connects again. */
    int64_t latest = mr_time_now_us() / 1000000 + MR_LOGIN_TOKEN_SECONDS;
    *ret = (struct mr_caller){.user_id = use.user_id,
                              .by_key = true,
                              .key_id = use.id,
                              .expires_s = use.expires_s && use.expires_s < latest ? use.expires_s : latest};
    return MR_OK;
}

/* The token of `Authorization: Bearer`, or NULL. */
static const char *bearer_of(const struct mr_request *req)
{
    const char *header = mr_request_header(req, "Authorization");
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return NULL;
    return header + 7 + strspn(header + 7, " ");
}

static enum mr_status of_login(struct mr_web *web, const char *token, struct mr_caller *ret,
                               struct mr_err *err)
{
    struct mr_login_token login = {0};
    MR_TRY(mr_verified_login(web->verified_logins, web->config->jwt_secret, token, &login, err));
    MR_TRY(mr_token_version_check(web->token_versions, login.user_id, login.version, err));
    *ret = (struct mr_caller){.user_id = login.user_id,
                              .is_guest = login.is_guest,
                              .version = login.version,
                              .expires_s = login.expires_s};
    return MR_OK;
}

static enum mr_status find_caller(struct mr_web *web, const struct mr_request *req, bool reads,
                                  struct mr_caller *ret, struct mr_err *err)
{
    const char *token = bearer_of(req);
    if (!token)
        return mr_fail(err, MR_UNAUTHENTICATED,
                       "Authorization: Bearer TOKEN is required: log in first, or send an API key");
    if (strncmp(token, MR_API_KEY_PREFIX, strlen(MR_API_KEY_PREFIX)) == 0)
        MR_TRY(of_key(web, token, reads, ret, err));
    else
        MR_TRY(of_login(web, token, ret, err));
    mr_request_note_user(req, ret->user_id);
    return MR_OK;
}

enum mr_status mr_caller_of(struct mr_web *web, const struct mr_request *req, struct mr_caller *ret,
                            struct mr_err *err)
{
    return find_caller(web, req, only_reads(req), ret, err);
}

enum mr_status mr_caller_to_read(struct mr_web *web, const struct mr_request *req, struct mr_caller *ret,
                                 struct mr_err *err)
{
    return find_caller(web, req, true, ret, err);
}

enum mr_status mr_caller_pass(struct mr_web *web, const char *token, struct mr_stream_pass *ret,
                              struct mr_err *err)
{
    struct mr_stream_pass pass = {0};
    MR_TRY(mr_stream_token_check(web->config->jwt_secret, token, &pass, err));
    bool may = true;
    if (pass.key_id)
        MR_TRY(mr_api_key_exists(web->db, pass.user_id, pass.key_id, &may, err));
    else
        MR_TRY(mr_token_version_check(web->token_versions, pass.user_id, pass.version, err));
    if (!may)
        return mr_stream_token_refuse(err);
    *ret = pass;
    return MR_OK;
}

enum mr_status mr_caller_of_stream(struct mr_web *web, const struct mr_request *req, struct mr_caller *ret,
                                   struct mr_err *err)
{
    const char *token = mr_request_query(req, "token");
    struct mr_stream_pass pass = {0};
    if (!token)
        return mr_caller_of(web, req, ret, err);
    MR_TRY(mr_caller_pass(web, token, &pass, err));
    if (pass.task_id)
        return mr_stream_token_refuse(err);
    *ret = (struct mr_caller){.user_id = pass.user_id, .is_guest = pass.is_guest, .expires_s = pass.ends_s};
    return MR_OK;
}

enum mr_status mr_caller_user(struct mr_web *web, const struct mr_request *req, int64_t *ret_user_id,
                              struct mr_err *err)
{
    struct mr_caller caller = {0};
    MR_TRY(mr_caller_of(web, req, &caller, err));
    *ret_user_id = caller.user_id;
    return MR_OK;
}

enum mr_status mr_caller_refuse_guest(bool is_guest, const char *what, struct mr_err *err)
{
    return is_guest
               ? mr_fail_code(err, MR_CODE_NEEDS_ACCOUNT, "%s: a guest has none; make an account first", what)
               : MR_OK;
}

enum mr_status mr_caller_account(struct mr_web *web, const struct mr_request *req, int64_t *ret_user_id,
                                 struct mr_err *err)
{
    struct mr_caller caller = {0};
    MR_TRY(mr_caller_of(web, req, &caller, err));
    if (caller.by_key)
        return mr_fail_code(err, MR_CODE_OUT_OF_SCOPE, "key: this route needs a login token");
    MR_TRY(mr_caller_refuse_guest(caller.is_guest, "account", err));
    *ret_user_id = caller.user_id;
    return MR_OK;
}
