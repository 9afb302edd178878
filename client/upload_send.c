#include "client/upload_send.h"

#include "client/api.h"
#include "client/files.h"
#include "client/progress.h"
#include "client/retry.h"
#include "shared/base/crc32c.h"
#include "shared/base/encoding.h"

#include <errno.h>
#include <inttypes.h>

enum { CHUNK_BYTES = 16 << 20, READ_BYTES = 256 << 10 };

struct sender {
    struct mr_cli *cli;
    const struct mr_cli_session *session;
    const struct mr_cli_input *input;
    int64_t stored;        /* as the session says */
    int64_t position, end; /* of the chunk that is sent now */
    uint32_t crc;          /* of the file's first checked bytes */
    int64_t checked;
    bool is_complete, must_ask;
};

bool mr_cli_stored_of(const char *range, int64_t size, int64_t *ret)
{
    int64_t last = 0;
    if (!range[0]) {
        *ret = 0;
        return true;
    }
    if (strncmp(range, "bytes=0-", 8) != 0 || !mr_parse_int64(range + 8, 0, size - 1, &last))
        return false;
    *ret = last + 1;
    return true;
}

static enum mr_status read_at(struct sender *sender, void *data, size_t len, int64_t at, size_t *ret_len,
                              struct mr_err *err)
{
    ssize_t got = pread(sender->input->fd, data, len, at);
    if (got < 0)
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s", strerror(errno));
    if (!got && len)
        return mr_fail_code(err, MR_CODE_FILE_CHANGED, "file became shorter while it was sent");
    int64_t known = sender->checked - at;
    if (known >= 0 && known < got) {
        sender->crc = mr_crc32c(sender->crc, (const char *)data + known, (size_t)(got - known));
        sender->checked = at + got;
    }
    *ret_len = (size_t)got;
    return MR_OK;
}

/* The checksum is of the whole file: what an earlier run has sent is read again. */
static enum mr_status check_prefix(struct sender *sender, struct mr_err *err)
{
    if (sender->checked >= sender->stored)
        return MR_OK;
    MR_AUTO_STR char *bytes = malloc(READ_BYTES);
    size_t got = 0;
    if (!bytes)
        return mr_fail_oom(err);
    while (sender->checked < sender->stored) {
        if (mr_cli_interrupted(sender->cli))
            return mr_fail(err, MR_CANCELED, "interrupted");
        MR_TRY(read_at(sender, bytes, READ_BYTES, sender->checked, &got, err));
    }
    return MR_OK;
}

static enum mr_status give(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    struct sender *sender = ctx;
    int64_t left = sender->end - sender->position;
    size_t wanted = (int64_t)len < left ? len : (size_t)left;
    *ret_len = 0;
    if (!wanted)
        return MR_OK;
    MR_TRY(read_at(sender, data, wanted, sender->position, ret_len, err));
    sender->position += (int64_t)*ret_len;
    mr_cli_progress_bytes(sender->cli, sender->position, sender->input->size);
    return MR_OK;
}

/* One request: the next chunk or, where the session must be asked, none. */
static enum mr_status put(struct sender *sender, struct mr_http_response *res, struct mr_err *err)
{
    char range[100];
    const char *headers[] = {range, NULL};
    struct mr_http_request request = mr_cli_request(sender->cli, "PUT", sender->session->url);
    int64_t multiple = sender->session->chunk_multiple;
    int64_t chunk = CHUNK_BYTES / multiple * multiple;
    int64_t left = sender->input->size - sender->stored;
    chunk = chunk ? chunk : multiple;
    sender->position = sender->stored;
    sender->end = sender->stored + (chunk < left ? chunk : left);
    if (sender->must_ask) {
        snprintf(range, sizeof range, "Content-Range: bytes */%" PRId64, sender->input->size);
    } else {
        snprintf(range, sizeof range, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64,
                 sender->position, sender->end - 1, sender->input->size);
        request.source = give;
        request.source_ctx = sender;
        request.body_len = (size_t)(sender->end - sender->position);
    }
    request.headers = headers;
    return mr_http_perform(sender->cli->http, &request, res, err);
}

static enum mr_status check_sum(const struct sender *sender, const struct mr_http_response *res,
                                struct mr_err *err)
{
    char wanted[9];
    MR_AUTO_JSON json_t *object = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *stored = mr_cli_text(object, "crc32c");
    mr_crc32c_text(sender->crc, wanted);
    if (stored[0] && sender->checked == sender->input->size && strcmp(stored, wanted) != 0)
        return mr_fail_as(err, MR_INVALID, MR_CODE_CORRUPTED, "upload was damaged on its way: send it again");
    return MR_OK;
}

static enum mr_status take_answer(struct sender *sender, const struct mr_http_response *res,
                                  struct mr_err *err)
{
    char range[64] = "";
    int64_t stored = 0;
    if (res->status == 200 || res->status == 201) {
        sender->is_complete = true;
        sender->stored = sender->input->size;
        MR_TRY(check_prefix(sender, err));
        return check_sum(sender, res, err);
    }
    if (res->status == 404 || res->status == 410)
        return mr_fail_as(err, MR_NOT_FOUND, MR_CODE_SESSION_LOST, "upload session has ended");
    if (res->status != 308)
        return mr_fail(err, mr_http_status_to_status(res->status), "storage answers HTTP %d", res->status);
    (void)mr_http_response_header(res, "Range", range, sizeof range);
    if (!mr_cli_stored_of(range, sender->input->size, &stored))
        return mr_fail(err, MR_UNAVAILABLE, "storage answers with the range %s", range);
    sender->stored = stored;
    sender->must_ask = false;
    return check_prefix(sender, err);
}

/* Asks, or sends a chunk. *ret_moved: the session has more than before. */
static enum mr_status step(struct sender *sender, struct mr_http_response *res, bool *ret_moved,
                           struct mr_err *err)
{
    int64_t before = sender->stored;
    bool asked = sender->must_ask;
    MR_TRY(put(sender, res, err));
    MR_TRY(take_answer(sender, res, err));
    *ret_moved = sender->is_complete || sender->stored > before;
    return *ret_moved || asked ? MR_OK : mr_fail(err, MR_UNAVAILABLE, "storage takes no more bytes");
}

enum mr_status mr_cli_upload_send(struct mr_cli *cli, const struct mr_cli_session *session,
                                  const struct mr_cli_input *input, bool is_new, struct mr_err *err)
{
    struct sender sender = {.cli = cli, .session = session, .input = input, .must_ask = !is_new};
    struct mr_cli_retry retry = {0};
    while (!sender.is_complete) {
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err failure = {0};
        bool moved = false, again = false;
        enum mr_status status = step(&sender, &res, &moved, &failure);
        if (status == MR_OK) {
            retry.failures = moved ? 0 : retry.failures;
            mr_cli_progress_bytes(cli, sender.stored, input->size);
            continue;
        }
        if (mr_status_is_transient(status))
            MR_TRY(mr_cli_retry_again(cli, &retry, &res, &again, err));
        if (!again)
            return mr_fail_from(err, &failure);
        sender.must_ask = true;
    }
    return MR_OK;
}
