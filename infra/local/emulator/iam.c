#include "infra/local/emulator/iam.h"

#include "infra/local/emulator/identity.h"
#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/http/form.h"

enum { TOKEN_RANDOM_BYTES = 24, EXPIRES_IN_S = 3599, FORM_VALUE_MAX = 64 * 1024 };
enum { SIGN_BODY_MAX = 1024 * 1024 };

enum mr_status em_access_token_new(json_t **ret, struct mr_err *err)
{
    unsigned char random[TOKEN_RANDOM_BYTES];
    char hex[2 * TOKEN_RANDOM_BYTES + 1];
    MR_TRY(mr_random_bytes(random, sizeof random, err));
    mr_hex_encode(random, sizeof random, hex);
    json_t *token = json_pack("{s:o, s:i, s:s}", "access_token", json_sprintf("ya29.emulator-%s", hex),
                              "expires_in", EXPIRES_IN_S, "token_type", "Bearer");
    if (!token)
        return mr_fail_oom(err);
    *ret = token;
    return MR_OK;
}

/* {key id: X.509 PEM}, as at https://www.googleapis.com/oauth2/v1/certs. */
static enum mr_status certificates(void *app, struct mr_request *req, struct mr_err *err)
{
    const struct em_app *emulator = app;
    MR_TRY(
        mr_respond_header(req, "Cache-Control", "public, max-age=21600, must-revalidate, no-transform", err));
    json_t *answer = json_pack("{s:s}", em_identity_key_id(emulator->identity),
                               em_identity_certificate(emulator->identity));
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

static enum mr_status sign_base64(const struct em_identity *identity, const char *payload, char **ret,
                                  struct mr_err *err)
{
    unsigned char *decoded = NULL, *raw_signature = NULL;
    size_t len = 0, signature_len = 0;
    MR_TRY(mr_base64_decode(payload, strlen(payload), &decoded, &len, err));
    MR_AUTO_STR char *data = (char *)decoded;
    MR_TRY(em_identity_sign(identity, data, len, &raw_signature, &signature_len, err));
    MR_AUTO_STR char *signature = (char *)raw_signature;
    return mr_base64_encode(signature, signature_len, ret, err);
}

/* Signs for whatever account is in the path. */
static enum mr_status sign_blob(void *app, struct mr_request *req, struct mr_err *err)
{
    const struct em_app *emulator = app;
    MR_AUTO_JSON json_t *request = NULL;
    MR_AUTO_STR char *signature = NULL;
    MR_TRY(mr_request_json(req, SIGN_BODY_MAX, &request, err));
    const char *payload = json_string_value(json_object_get(request, "payload"));
    if (!payload)
        return mr_fail(err, MR_INVALID, "payload is required, as base64.");
    MR_TRY(sign_base64(emulator->identity, payload, &signature, err));
    json_t *answer =
        json_pack("{s:s, s:s}", "keyId", em_identity_key_id(emulator->identity), "signedBlob", signature);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

/* Answers in OAuth's form of errors (RFC 6749 §5.2). */
static enum mr_status answer_oauth_error(struct mr_request *req, const char *error, const char *description,
                                         struct mr_err *err)
{
    json_t *answer = json_pack("{s:s, s:s}", "error", error, "error_description", description);
    return answer ? mr_respond_json(req, 400, answer, err) : mr_fail_oom(err);
}

/* Reads the two fields that are needed; they stay empty if the form lacks them. */
static enum mr_status read_grant(struct mr_request *req, struct mr_buf *grant_type, struct mr_buf *assertion,
                                 struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    MR_TRY(mr_form_open(req, &form, err));
    for (;;) {
        const struct mr_form_part *part = NULL;
        MR_TRY(mr_form_next(form, &part, err));
        if (!part)
            return MR_OK;
        if (!strcmp(part->name, "grant_type"))
            MR_TRY(mr_form_value(form, grant_type, err));
        else if (!strcmp(part->name, "assertion"))
            MR_TRY(mr_form_value(form, assertion, err));
    }
}

static enum mr_status token(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    MR_AUTO(mr_buf) struct mr_buf grant_type = MR_BUF_INIT(FORM_VALUE_MAX);
    MR_AUTO(mr_buf) struct mr_buf assertion = MR_BUF_INIT(FORM_VALUE_MAX);
    MR_AUTO_JSON json_t *answer = NULL;
    MR_TRY(read_grant(req, &grant_type, &assertion, err));
    if (strcmp(mr_buf_str(&grant_type), "urn:ietf:params:oauth:grant-type:jwt-bearer"))
        return answer_oauth_error(req, "unsupported_grant_type", "Invalid grant_type", err);
    /* Any assertion will do, whichever key signed it. */
    if (!assertion.len)
        return answer_oauth_error(req, "invalid_request", "Missing required parameter: assertion", err);
    MR_TRY(em_access_token_new(&answer, err));
    return mr_respond_json(req, 200, MR_TAKE(answer), err);
}

const struct em_spoken *em_iam_rows(size_t *ret_count)
{
    static const struct em_spoken rows[] = {
        {"oauth2.certs", "GET", "/oauth2/v1/certs", certificates, 0, EM_JSON_PARAMETERS},
        {"iamcredentials.projects.serviceAccounts.signBlob", "POST",
         "/v1/projects/-/serviceAccounts/{email}:signBlob", sign_blob, SIGN_BODY_MAX, EM_JSON_PARAMETERS},
        {"oauth2.token", "POST", "/token", token, 2 * FORM_VALUE_MAX, EM_JSON_PARAMETERS},
    };
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}
