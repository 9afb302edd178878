#include "client/source.h"

#include "client/api.h"
#include "client/progress.h"
#include "client/upload.h"
#include "shared/base/encoding.h"

#include <openssl/evp.h>
#include <strings.h>

enum { KEY_BYTES = 32, KEY_TEXT_MAX = 2 * KEY_BYTES + 1 };

void mr_cli_source_free(struct mr_cli_source *source)
{
    mr_cli_input_free(&source->input);
    mr_cli_upload_state_free(&source->state);
}

struct mr_cli_source mr_cli_source_of(const char *word)
{
    return (struct mr_cli_source){
        .word = word, .input = MR_CLI_INPUT_INIT, .state = MR_CLI_UPLOAD_STATE_INIT};
}

bool mr_cli_source_is_url(const struct mr_cli_source *source)
{
    return strncasecmp(source->word, "http://", 7) == 0 || strncasecmp(source->word, "https://", 8) == 0;
}

void mr_cli_source_done(struct mr_cli_source *source)
{
    mr_cli_upload_state_remove(&source->state);
}

static enum mr_status open_source(struct mr_cli *cli, struct mr_cli_source *source, struct mr_err *err)
{
    if (mr_cli_source_is_url(source))
        return MR_OK;
    MR_TRY(mr_cli_input_open(cli, source->word, cli->arguments->name, &source->input, err));
    MR_TRY(mr_cli_upload_state_open(cli->settings, &source->input, &source->state, err));
    source->is_resumed = source->state.has_session;
    return MR_OK;
}

/* body with where the bytes are. */
static enum mr_status add_place(struct mr_cli *cli, struct mr_cli_source *source, json_t *body,
                                struct mr_err *err)
{
    bool is_url = mr_cli_source_is_url(source);
    if (!is_url)
        MR_TRY(mr_cli_upload(cli, source->word, &source->input, &source->state, err));
    mr_cli_progress_clear(cli);
    json_t *place = is_url ? mr_json_text(source->word) : json_string(source->state.session.upload_id);
    return json_object_set_new(body, is_url ? "url" : "upload_id", place) == 0 ? MR_OK : mr_fail_oom(err);
}

/* Of the request, which names the upload; a URL may be converted twice, so each run has another key. */
static enum mr_status make_key(const json_t *body, bool is_url, char ret[KEY_TEXT_MAX], struct mr_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (is_url)
        return mr_uuid_generate(ret, err);
    MR_AUTO_STR char *text = json_dumps(body, MR_JSON_FLAGS | JSON_SORT_KEYS);
    if (!text)
        return mr_fail_oom(err);
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        return mr_fail(err, MR_INTERNAL, "SHA-256 failed");
    mr_hex_encode(digest, KEY_BYTES, ret);
    return MR_OK;
}

static enum mr_status post(struct mr_cli *cli, struct mr_cli_source *source, const char *path,
                           const json_t *given, bool has_key, json_t **ret, struct mr_err *err)
{
    char key[KEY_TEXT_MAX];
    MR_AUTO_JSON json_t *body = json_deep_copy(given);
    if (!body)
        return mr_fail_oom(err);
    MR_TRY(add_place(cli, source, body, err));
    if (has_key)
        MR_TRY(make_key(body, mr_cli_source_is_url(source), key, err));
    const struct mr_cli_call call = {.method = "POST",
                                     .path = path,
                                     .body = body,
                                     .idempotency_key = has_key ? key : NULL,
                                     .once = !has_key};
    return mr_cli_call(cli, &call, ret, err);
}

/* Another request has used the upload, or it has expired. */
static bool is_used_up(const struct mr_err *err)
{
    static const enum mr_code codes[] = {MR_CODE_UNKNOWN_UPLOAD, MR_CODE_IDEMPOTENCY_KEY_SPENT,
                                         MR_CODE_UPLOAD_INCOMPLETE, MR_CODE_UPLOAD_MISMATCH};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (err->code == codes[i])
            return true;
    return false;
}

enum mr_status mr_cli_source_post(struct mr_cli *cli, struct mr_cli_source *source, const char *path,
                                  const json_t *body, bool has_key, json_t **ret, struct mr_err *err)
{
    struct mr_err failure = {0};
    MR_TRY(open_source(cli, source, err));
    enum mr_status status = post(cli, source, path, body, has_key, ret, &failure);
    if (status != MR_OK && source->is_resumed && is_used_up(&failure)) {
        mr_cli_upload_state_clear(&source->state);
        source->is_resumed = false;
        status = post(cli, source, path, body, has_key, ret, &failure);
    }
    mr_cli_input_free(&source->input);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}
