#include "infra/local/emulator/metadata.h"

#include "infra/local/emulator/api/google_error.h"
#include "infra/local/emulator/iam.h"
#include "infra/local/emulator/identity.h"

#define PROJECT_NUMBER "123456789012"
#define REGION         "projects/" PROJECT_NUMBER "/regions/us-central1"
#define ZONE           "projects/" PROJECT_NUMBER "/zones/us-central1-1"
#define INSTANCE_ID    "00f46b92850000000000000000000000"
#define SCOPE          "https://www.googleapis.com/auth/cloud-platform"

static enum mr_status answer_text(struct mr_request *req, const char *text, struct mr_err *err)
{
    return mr_respond_bytes(req, 200, "application/text", text, strlen(text), err);
}

static bool is_true(const char *text)
{
    return text && (!strcmp(text, "true") || !strcmp(text, "True"));
}

static enum mr_status answer_access_token(struct mr_request *req, struct mr_err *err)
{
    MR_AUTO_JSON json_t *answer = NULL;
    MR_TRY(em_access_token_new(&answer, err));
    return mr_respond_json(req, 200, MR_TAKE(answer), err);
}

/* Answers with a plain JWT. Google's has no email without format=full; here it always has one. */
static enum mr_status answer_identity_token(const struct em_app *emulator, struct mr_request *req,
                                            const char *email, struct mr_err *err)
{
    const char *audience = mr_request_query(req, "audience");
    MR_AUTO_STR char *token = NULL;
    if (!audience || !*audience)
        return mr_fail(err, MR_INVALID, "non-empty audience parameter required");
    MR_TRY(em_identity_mint(emulator->identity, email, audience, &token, err));
    return answer_text(req, token, err);
}

static json_t *account_tree(const char *email)
{
    return json_pack("{s:s, s:[s], s:[s]}", "email", email, "scopes", SCOPE, "aliases", "default");
}

static enum mr_status service_account(const struct em_app *emulator, struct mr_request *req, const char *path,
                                      struct mr_err *err)
{
    size_t account_len = strcspn(path, "/");
    const char *field = path[account_len] ? path + account_len + 1 : "";
    char email[256];
    snprintf(email, sizeof email, "%.*s", (int)account_len, path);
    if (!strcmp(email, "default"))
        snprintf(email, sizeof email, "%s", EM_ACCOUNT);
    if (!strcmp(field, "token"))
        return answer_access_token(req, err);
    if (!strcmp(field, "identity"))
        return answer_identity_token(emulator, req, email, err);
    if (!strcmp(field, "email"))
        return answer_text(req, email, err);
    if (!strcmp(field, "scopes"))
        return answer_text(req, SCOPE "\n", err);
    if (*field)
        return mr_fail(err, MR_NOT_FOUND, "No such metadata: %s", field);
    if (!is_true(mr_request_query(req, "recursive")))
        return answer_text(req, "aliases\nemail\nidentity\nscopes\ntoken\n", err);
    json_t *tree = account_tree(email);
    return tree ? mr_respond_json(req, 200, tree, err) : mr_fail_oom(err);
}

/* All metadata, for ?recursive=true. NULL without memory. */
static json_t *metadata_tree(const struct em_app *emulator)
{
    return json_pack("{s:{s:s, s:s, s:s, s:{s:o}}, s:{s:s, s:s}}", "instance", "id", INSTANCE_ID, "region",
                     REGION, "zone", ZONE, "serviceAccounts", "default", account_tree(EM_ACCOUNT), "project",
                     "projectId", emulator->project, "numericProjectId", PROJECT_NUMBER);
}

static enum mr_status recursive(const struct em_app *emulator, struct mr_request *req, const char *path,
                                struct mr_err *err)
{
    MR_AUTO_JSON json_t *tree = metadata_tree(emulator);
    if (!tree)
        return mr_fail_oom(err);
    json_t *part = *path ? json_object_get(tree, path) : tree;
    if (!part)
        return mr_fail(err, MR_NOT_FOUND, "No such metadata: %s", path);
    return mr_respond_json(req, 200, json_incref(part), err);
}

static enum mr_status lookup(const struct em_app *emulator, struct mr_request *req, const char *path,
                             struct mr_err *err)
{
    static const char accounts[] = "instance/service-accounts/";
    const struct {
        const char *path;
        const char *text;
    } texts[] = {
        {"", "instance/\nproject/\n"},
        {"instance", "id\nregion\nservice-accounts/\nzone\n"},
        {"instance/id", INSTANCE_ID},
        {"instance/region", REGION},
        {"instance/zone", ZONE},
        {"instance/service-accounts", "default/\n" EM_ACCOUNT "/\n"},
        {"project", "numeric-project-id\nproject-id\n"},
        {"project/project-id", emulator->project},
        {"project/numeric-project-id", PROJECT_NUMBER},
        {"universe/universe-domain", "googleapis.com"},
    };
    if (!strncmp(path, accounts, strlen(accounts)))
        return service_account(emulator, req, path + strlen(accounts), err);
    if (is_true(mr_request_query(req, "recursive")))
        return recursive(emulator, req, path, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(path, texts[i].path))
            return answer_text(req, texts[i].text, err);
    return mr_fail(err, MR_NOT_FOUND, "No such metadata: %s", path);
}

/* Checks the request's Metadata-Flavor header and adds it to the answer. Answers failures itself, so that they have
 * the header as well. */
static enum mr_status answer(struct em_app *emulator, struct mr_request *req, const char *path,
                             struct mr_err *err)
{
    const char *flavor = mr_request_header(req, "Metadata-Flavor");
    struct mr_err cause = {0};
    MR_TRY(mr_respond_header(req, "Metadata-Flavor", "Google", err));
    enum mr_status status =
        flavor && strcmp(flavor, "Google") == 0
            ? lookup(emulator, req, path, &cause)
            : mr_fail(&cause, MR_DENIED, "Missing required header \"Metadata-Flavor\": \"Google\"");
    if (status == MR_OK)
        return MR_OK;
    if (!mr_respond_started(req))
        return em_google_answer_error(req, mr_http_status_of(&cause), &cause, err);
    *err = cause;
    return status;
}

static enum mr_status metadata(void *app, struct mr_request *req, struct mr_err *err)
{
    return answer(app, req, mr_request_param(req, "path"), err);
}

static enum mr_status metadata_top(void *app, struct mr_request *req, struct mr_err *err)
{
    return answer(app, req, "", err);
}

/* Clients request this to find a metadata server; it needs no header. */
static enum mr_status metadata_root(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    MR_TRY(mr_respond_header(req, "Metadata-Flavor", "Google", err));
    return answer_text(req, "computeMetadata/\n", err);
}

/* What the documented clients send; a wait for a change would never end, as nothing changes. */
#define PARAMETERS                                                                                           \
    "recursive scopes audience format=full|standard timeout_sec last_etag wait_for_change=false"

const struct em_spoken *em_metadata_rows(size_t *ret_count)
{
    static const struct em_spoken rows[] = {
        {"the metadata server", "GET", "/", metadata_root, 0, ""},
        {"the metadata server", "GET", "/computeMetadata/v1", metadata_top, 0, PARAMETERS},
        {"the metadata server", "GET", "/computeMetadata/v1/{path*}", metadata, 0, PARAMETERS},
    };
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}
