/*
 * login and logout. The password is used once, to make an API key named after this machine; only the key is kept. A key that
 * was kept for this server before is revoked.
 */
#include "client/api.h"
#include "client/commands.h"
#include "client/credentials.h"
#include "client/report.h"
#include "client/secret_input.h"

#include <inttypes.h>
#include <openssl/crypto.h>

enum { HOST_MAX = 80 };

static enum mr_status ask_name(struct mr_cli *cli, char out[MR_CLI_LINE_MAX], struct mr_err *err)
{
    if (cli->arguments->word_count) {
        snprintf(out, MR_CLI_LINE_MAX, "%s", cli->arguments->words[0]);
        return MR_OK;
    }
    if (!isatty(STDIN_FILENO))
        return mr_fail(err, MR_INVALID, "login needs NAME where standard input is not a terminal");
    enum mr_status status = mr_cli_ask(cli, "Name or mail address", false, out, err);
    return mr_wrap(err, status, "name");
}

/* *ret is a login token. */
static enum mr_status sign_in(struct mr_cli *cli, const char *name, json_t **ret, struct mr_err *err)
{
    char password[MR_CLI_LINE_MAX];
    MR_AUTO_JSON json_t *body = NULL;
    enum mr_status status = mr_cli_ask(cli, "Password", true, password, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "password");
    body = json_pack("{s:o,s:s}", strchr(name, '@') ? "email" : "username", mr_json_text(name), "password",
                     password);
    OPENSSL_cleanse(password, sizeof password);
    if (!body)
        return mr_fail(err, MR_INVALID, "password must be UTF-8");
    const struct mr_cli_call call = {
        .method = "POST", .path = "/api/auth/login", .body = body, .is_anonymous = true, .once = true};
    MR_TRY(mr_cli_call(cli, &call, ret, err));
    if (mr_cli_text(*ret, "access_token")[0])
        return MR_OK;
    return mr_fail(err, MR_UNAVAILABLE, "the answer must have an access_token");
}

static enum mr_status revoke_key(struct mr_cli *cli, const json_t *entry, const char *token,
                                 struct mr_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "/api/keys/%" PRId64,
             (int64_t)json_integer_value(json_object_get(entry, "id")));
    const struct mr_cli_call call = {.method = "DELETE", .path = path, .token = token};
    return mr_cli_call(cli, &call, NULL, err);
}

static enum mr_status make_key(struct mr_cli *cli, const char *token, json_t **ret, struct mr_err *err)
{
    char host[HOST_MAX] = "", name[HOST_MAX + 32];
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    snprintf(name, sizeof name, "mediarun on %s", host[0] ? host : "a computer");
    MR_AUTO_JSON json_t *body =
        json_pack("{s:o,s:[s,s]}", "name", mr_json_text(name), "scopes", "read", "write");
    const struct mr_cli_call call = {
        .method = "POST", .path = "/api/keys", .body = body, .token = token, .once = true};
    if (!body)
        return mr_fail_oom(err);
    MR_TRY(mr_cli_call(cli, &call, ret, err));
    const char *key = mr_cli_text(*ret, "key");
    return key[0] && !key[strcspn(key, "\r\n")] ? MR_OK
                                                : mr_fail(err, MR_UNAVAILABLE, "the answer must have a key");
}

/* A key that cannot be kept is of no use. */
static enum mr_status keep(struct mr_cli *cli, const json_t *made, const char *token, struct mr_err *err)
{
    MR_AUTO_JSON json_t *entry =
        json_pack("{s:O,s:O}", "id", json_object_get(made, "id"), "key", json_object_get(made, "key"));
    if (!entry)
        return mr_fail(err, MR_UNAVAILABLE, "the answer must have an id");
    enum mr_status status = mr_cli_credentials_set(cli->settings, entry, err);
    if (status != MR_OK)
        (void)!revoke_key(cli, made, token, NULL);
    return status;
}

static enum mr_status login(struct mr_cli *cli, struct mr_err *err)
{
    char name[MR_CLI_LINE_MAX];
    MR_AUTO_JSON json_t *before = NULL, *session = NULL, *made = NULL;
    MR_TRY(mr_cli_credentials_find(cli->settings, &before, err));
    MR_TRY(ask_name(cli, name, err));
    MR_TRY(sign_in(cli, name, &session, err));
    const char *token = mr_cli_text(session, "access_token");
    MR_TRY(make_key(cli, token, &made, err));
    MR_TRY(keep(cli, made, token, err));
    if (before) /* it may be another user's, or revoked */
        (void)!revoke_key(cli, before, mr_cli_text(before, "key"), NULL);
    mr_cli_note(cli, NULL, "signed in at %s as %s", cli->settings->server, name);
    if (cli->settings->key)
        mr_cli_note(cli, NULL, "MEDIARUN_API_KEY is set, and is used instead");
    (void)json_object_del(made, "key");
    return cli->arguments->json ? mr_cli_print_json(made, false, err) : MR_OK;
}

/* A key that the server no longer knows is forgotten as well. */
static enum mr_status logout(struct mr_cli *cli, struct mr_err *err)
{
    MR_AUTO_JSON json_t *entry = NULL;
    MR_TRY(mr_cli_credentials_find(cli->settings, &entry, err));
    if (!entry)
        return mr_fail(err, MR_UNAUTHENTICATED, "key for %s is missing", cli->settings->server);
    enum mr_status status = revoke_key(cli, entry, mr_cli_text(entry, "key"), err);
    if (status != MR_OK && status != MR_UNAUTHENTICATED && status != MR_NOT_FOUND)
        return status;
    MR_TRY(mr_cli_credentials_set(cli->settings, NULL, err));
    mr_cli_note(cli, NULL, "signed out at %s", cli->settings->server);
    return MR_OK;
}

enum mr_cli_exit mr_cli_login(struct mr_cli *cli)
{
    struct mr_err err = {0};
    return login(cli, &err) == MR_OK ? MR_CLI_DONE : mr_cli_report(cli, NULL, &err);
}

enum mr_cli_exit mr_cli_logout(struct mr_cli *cli)
{
    struct mr_err err = {0};
    return logout(cli, &err) == MR_OK ? MR_CLI_DONE : mr_cli_report(cli, NULL, &err);
}
