#include "client/upload.h"

#include "client/api.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/upload_send.h"

/* The server may know no more of it. */
static void cancel(struct mr_cli *cli, const struct mr_cli_upload_state *state)
{
    char path[sizeof "/api/uploads/" + MR_UUID_TEXT_MAX];
    snprintf(path, sizeof path, "/api/uploads/%s", state->session.upload_id);
    const struct mr_cli_call call = {.method = "DELETE", .path = path, .once = true};
    (void)!mr_cli_call(cli, &call, NULL, NULL);
}

static enum mr_status take_session(const json_t *answer, struct mr_cli_session *ret, struct mr_err *err)
{
    const char *id = mr_cli_text(answer, "upload_id"), *url = mr_cli_text(answer, "upload_url");
    json_int_t multiple = json_integer_value(json_object_get(answer, "chunk_multiple"));
    if (!mr_uuid_is_valid(id) || !url[0] || strlen(url) >= sizeof ret->url || multiple < 1)
        return mr_fail(err, MR_UNAVAILABLE, "the answer must have upload_id, upload_url and chunk_multiple");
    *ret = (struct mr_cli_session){.chunk_multiple = multiple};
    snprintf(ret->upload_id, sizeof ret->upload_id, "%s", id);
    snprintf(ret->url, sizeof ret->url, "%s", url);
    return MR_OK;
}

static enum mr_status begin(struct mr_cli *cli, const struct mr_cli_input *input,
                            struct mr_cli_upload_state *state, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body =
        json_pack("{s:o,s:I}", "fileName", mr_json_text(input->name), "size", (json_int_t)input->size);
    MR_AUTO_JSON json_t *answer = NULL;
    const struct mr_cli_call call = {.method = "POST", .path = "/api/uploads", .body = body};
    if (!body)
        return mr_fail_oom(err);
    MR_TRY(mr_cli_call(cli, &call, &answer, err));
    MR_TRY(take_session(answer, &state->session, err));
    return mr_cli_upload_state_save(state, cli->settings, input, err);
}

static enum mr_status send_whole(struct mr_cli *cli, const char *label, const struct mr_cli_input *input,
                                 struct mr_cli_upload_state *state, bool is_new, struct mr_err *err)
{
    if (!state->session.is_sent) {
        mr_cli_progress_begin(cli, label, is_new ? "sends" : "goes on sending");
        MR_TRY(mr_cli_upload_send(cli, &state->session, input, is_new, err));
        MR_TRY(mr_cli_input_check(input, err));
        state->session.is_sent = true;
        MR_TRY(mr_cli_upload_state_save(state, cli->settings, input, err));
    }
    return MR_OK;
}

enum mr_status mr_cli_upload(struct mr_cli *cli, const char *label, const struct mr_cli_input *input,
                             struct mr_cli_upload_state *state, struct mr_err *err)
{
    enum mr_status status = MR_NOT_FOUND;
    struct mr_err failure = {0};
    if (state->is_changed) {
        mr_cli_note(cli, label, "file has changed since its upload began: it is sent from its beginning");
        cancel(cli, state);
        mr_cli_upload_state_clear(state);
    }
    if (state->has_session)
        status = send_whole(cli, label, input, state, false, &failure);
    if (status == MR_NOT_FOUND) { /* there is none, or it has ended */
        mr_cli_upload_state_clear(state);
        MR_TRY(begin(cli, input, state, err));
        status = send_whole(cli, label, input, state, true, &failure);
    }
    /* The file is not what was announced, or not readable. */
    if (status == MR_CONFLICT || status == MR_INVALID) {
        cancel(cli, state);
        mr_cli_upload_state_remove(state);
    }
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}
