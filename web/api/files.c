/*
 * GET /api/files/{file_id}: downloads an output under its Unicode name. DOWNLOAD_MODE decides whether web
 * streams it from storage, with Range, or redirects the client to storage with a signed URL. The token of a
 * link, or a stream token, replaces the login.
 */
#include "shared/base/encoding.h"
#include "shared/data/links.h"
#include "shared/data/outputs.h"
#include "shared/gcp/signed_url.h"
#include "web/api/api.h"
#include "web/api/conditions.h"
#include "web/api/range.h"
#include "web/caller.h"

#include <ctype.h>
#include <inttypes.h>

/* Cloud Run cuts off responses above 32 MiB unless they are chunked: https://cloud.google.com/run/quotas */
enum { CLOUD_RUN_RESPONSE_MAX = 32 << 20, DISPOSITION_MAX = 4096, SIGNED_URL_SECONDS = 900 };
/* A file up to this size is verified as a whole before its first byte is sent. */
enum { SMALL_FILE_MAX = 256 << 10 };
/* Bytes of a larger file go out in pieces of this size: libcurl delivers 16 KiB at a time, and a socket takes up to
 * 128 KiB that its client has not read. */
enum { PIECE_BYTES = 64 << 10 };

/* RFC 6266: an ASCII name for old clients, and filename* with the real name (RFC 8187). */
static enum mr_status make_disposition(const char *file_name, struct mr_buf *value, struct mr_err *err)
{
    MR_TRY(mr_buf_append_str(value, "attachment; filename=\"", err));
    for (const char *p = file_name; *p; p++) {
        bool plain = (unsigned char)*p < 0x80 && !iscntrl((unsigned char)*p) && *p != '"' && *p != '\\';
        bool continuation = ((unsigned char)*p & 0xc0) == 0x80;
        if (!continuation)
            MR_TRY(mr_buf_append(value, plain ? p : "_", 1, err));
    }
    MR_TRY(mr_buf_append_str(value, "\"; filename*=UTF-8''", err));
    return mr_percent_encode(value, file_name, false, err);
}

static enum mr_status add_disposition(struct mr_request *req, const char *file_name, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(DISPOSITION_MAX);
    MR_TRY(make_disposition(file_name, &value, err));
    return mr_respond_header(req, "Content-Disposition", mr_buf_str(&value), err);
}

enum { ETAG_MAX = MR_INT64_TEXT_MAX + 2 };

static void make_etag(const struct mr_output *output, char etag[ETAG_MAX])
{
    snprintf(etag, ETAG_MAX, "\"%" PRId64 "\"", output->object_generation);
}

static enum mr_status add_headers(struct mr_request *req, const struct mr_output *output, struct mr_err *err)
{
    char etag[ETAG_MAX];
    make_etag(output, etag);
    MR_TRY(add_disposition(req, output->file_name, err));
    MR_TRY(mr_respond_header(req, "Accept-Ranges", "bytes", err));
    MR_TRY(mr_respond_header(req, "ETag", etag, err));
    return mr_respond_header(req, "Cache-Control", "private, no-cache", err);
}

static enum mr_status add_content_range(struct mr_request *req, const struct mr_range *range, int64_t size,
                                        struct mr_err *err)
{
    char value[80];
    if (range->kind == MR_RANGE_PART)
        snprintf(value, sizeof value, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range->first, range->last,
                 size);
    else
        snprintf(value, sizeof value, "bytes */%" PRId64, size);
    return mr_respond_header(req, "Content-Range", value, err);
}

/* MR_CONFLICT for an If-Match that does not hold; *ret_cached: the client has the file. */
static enum mr_status check_conditions(const struct mr_request *req, const struct mr_output *output,
                                       bool *ret_cached, struct mr_err *err)
{
    char etag[ETAG_MAX];
    const char *match = mr_request_header(req, "If-Match"), *none = mr_request_header(req, "If-None-Match");
    make_etag(output, etag);
    if (match && !mr_etag_is_listed(match, etag, false))
        return mr_fail_code(err, MR_CODE_CONDITION_NOT_MET, "If-Match must name the ETag of the file: %s",
                            etag);
    *ret_cached = none && mr_etag_is_listed(none, etag, true);
    return MR_OK;
}

/* If-Range with another ETag asks for the whole file; so does HEAD, because Range is of GET alone (RFC 9110 §14.2). */
static struct mr_range wanted_range(const struct mr_request *req, const struct mr_output *output)
{
    char etag[ETAG_MAX];
    make_etag(output, etag);
    const char *if_range = mr_request_header(req, "If-Range");
    bool stale = (if_range && strcmp(if_range, etag) != 0) || strcmp(mr_request_method(req), "GET") != 0;
    return mr_range_parse(stale ? NULL : mr_request_header(req, "Range"), output->size);
}

/* The head is sent with the first bytes, so that a failure of storage before them can still get an error
 * response. */
struct download {
    struct mr_request *req;
    const struct mr_output *output;
    int http_status;
    int64_t length;
    struct mr_buf piece; /* what has arrived but was not sent */
};
static void download_free(struct download *download)
{
    mr_buf_free(&download->piece);
}
MR_DEFINE_VALUE_CLEANUP(download, download_free)

static enum mr_status begin(const struct download *download, struct mr_err *err)
{
    const bool has_body = strcmp(mr_request_method(download->req), "HEAD") != 0;
    const bool is_long = has_body && download->length > CLOUD_RUN_RESPONSE_MAX;
    return mr_respond_begin(download->req, download->http_status, download->output->content_type,
                            is_long ? -1 : download->length, err);
}

static enum mr_status pass_on(struct download *download, const void *data, size_t len, struct mr_err *err)
{
    if (!mr_respond_started(download->req))
        MR_TRY(begin(download, err));
    return mr_respond_write(download->req, data, len, err);
}

static enum mr_status flush_piece(struct download *download, struct mr_err *err)
{
    MR_TRY(pass_on(download, download->piece.data, download->piece.len, err));
    mr_buf_clear(&download->piece);
    return MR_OK;
}

static enum mr_status gather(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct download *download = ctx;
    if (download->piece.len + len > PIECE_BYTES)
        MR_TRY(flush_piece(download, err));
    return mr_buf_append(&download->piece, data, len, err);
}

/* Bytes that were damaged on their way from storage are read again, so that the client gets the right ones. */
static enum mr_status send_small(struct mr_web *web, struct download *download, const struct mr_range *range,
                                 struct mr_err *err)
{
    const struct mr_output *output = download->output;
    MR_AUTO(mr_buf) struct mr_buf file = MR_BUF_INIT(SMALL_FILE_MAX);
    MR_TRY(mr_storage_load(web->cloud.storage, output->object, output->object_generation, &file, err));
    if ((int64_t)file.len != output->size)
        return mr_fail(err, MR_UNAVAILABLE, "object %s has %zu bytes, but %" PRId64 " were stored",
                       output->object, file.len, output->size);
    return pass_on(download, file.data + range->first, (size_t)download->length, err);
}

/* Damage in a whole file shows before its last bytes are sent: then they are not, and the connection is cut, so that
 * the client sees an incomplete file. A part of a larger file has no checksum. */
static enum mr_status send_large(struct mr_web *web, struct download *download, const struct mr_range *range,
                                 struct mr_err *err)
{
    const struct mr_output *output = download->output;
    const struct mr_read read = {.name = output->object,
                                 .generation = output->object_generation,
                                 .offset = range->first,
                                 .length = download->length,
                                 .sink = gather,
                                 .sink_ctx = download};
    MR_TRY(mr_buf_reserve(&download->piece, PIECE_BYTES, err));
    MR_TRY(mr_storage_read(web->cloud.storage, &read, NULL, err));
    return flush_piece(download, err);
}

static enum mr_status stream(struct mr_web *web, struct mr_request *req, const struct mr_output *output,
                             const struct mr_range *range, struct mr_err *err)
{
    MR_AUTO(download)
    struct download download = {.req = req,
                                .output = output,
                                .http_status = range->kind == MR_RANGE_PART ? 206 : 200,
                                .length = range->last - range->first + 1,
                                .piece = MR_BUF_INIT(PIECE_BYTES)};
    if (download.length > 0 && strcmp(mr_request_method(req), "HEAD") != 0)
        MR_TRY(output->size <= SMALL_FILE_MAX ? send_small(web, &download, range, err)
                                              : send_large(web, &download, range, err));
    if (!mr_respond_started(req))
        MR_TRY(begin(&download, err));
    return mr_respond_end(req, err);
}

/* The user of a stream token for this task's files. */
static enum mr_status find_listener(struct mr_web *web, const struct mr_request *req, const char *token,
                                    int64_t *ret, struct mr_err *err)
{
    struct mr_stream_pass pass = {0};
    char number[MR_INT64_TEXT_MAX];
    const char *key = mr_request_param(req, "file_id");
    MR_TRY(mr_caller_pass(web, token, &pass, err));
    mr_int64_text(pass.task_id, number);
    if (!pass.task_id || (strcmp(key, number) != 0 && strcasecmp(key, pass.file_id) != 0))
        return mr_stream_token_refuse(err);
    *ret = pass.user_id;
    return MR_OK;
}

static enum mr_status find_user(struct mr_web *web, const struct mr_request *req, int64_t *ret,
                                struct mr_err *err)
{
    const char *token = mr_request_query(req, "token");
    if (!token)
        return mr_caller_user(web, req, ret, err);
    if (mr_stream_token_is_one(token))
        return find_listener(web, req, token, ret, err);
    return mr_link_owner(web->db, token, mr_request_param(req, "file_id"), ret, err);
}

static enum mr_status find_output(struct mr_web *web, struct mr_request *req, struct mr_output *ret,
                                  struct mr_err *err)
{
    int64_t user_id = 0, n = 0;
    MR_TRY(find_user(web, req, &user_id, err));
    const char *number = mr_request_query(req, "n");
    if (number && !mr_parse_int64(number, 0, INT32_MAX, &n))
        return mr_fail(err, MR_INVALID, "n must be the number of an output");
    return mr_outputs_find(web->db, user_id, mr_request_param(req, "file_id"), n, ret, err);
}

/* Storage does not have the object. If the task still says so, it is lost, which is the service's fault. */
static enum mr_status fail_missing(struct mr_web *web, struct mr_request *req, const struct mr_output *output,
                                   struct mr_err *err)
{
    MR_AUTO(mr_output) struct mr_output now = {0};
    if (output->is_old)
        return mr_fail(err, MR_NOT_FOUND, "file has expired");
    if (find_output(web, req, &now, NULL) != MR_OK || strcmp(now.object, output->object) != 0)
        return mr_fail(err, MR_NOT_FOUND,
                       "file does not exist any more"); /* deleted or run again meanwhile */
    return mr_fail(err, MR_UNAVAILABLE, "object %s of a task is missing in the bucket", output->object);
}

static enum mr_status answer_streamed(struct mr_web *web, struct mr_request *req,
                                      const struct mr_output *output, struct mr_err *err)
{
    bool cached = false;
    MR_TRY(check_conditions(req, output, &cached, err));
    if (cached) {
        MR_TRY(add_headers(req, output, err));
        return mr_respond_empty(req, 304, err);
    }
    struct mr_range range = wanted_range(req, output);
    if (range.kind != MR_RANGE_WHOLE)
        MR_TRY(add_content_range(req, &range, output->size, err));
    if (range.kind == MR_RANGE_UNSATISFIABLE)
        return mr_respond_empty(req, 416, err);
    MR_TRY(add_headers(req, output, err));
    enum mr_status status = stream(web, req, output, &range, err);
    return status == MR_NOT_FOUND ? fail_missing(web, req, output, err) : status;
}

/* The URL is valid for this method only: Cloud Storage refuses a HEAD with the signature of a GET. */
static enum mr_status make_url(struct mr_web *web, const struct mr_request *req,
                               const struct mr_output *output, struct mr_buf *ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf disposition = MR_BUF_INIT(DISPOSITION_MAX);
    char generation[MR_INT64_TEXT_MAX];
    mr_int64_text(output->object_generation, generation);
    MR_TRY(make_disposition(output->file_name, &disposition, err));
    const char *const parameters[] = {"generation",
                                      generation,
                                      "response-content-disposition",
                                      mr_buf_str(&disposition),
                                      "response-content-type",
                                      output->content_type,
                                      NULL};
    struct mr_signed_url wanted = {.method = mr_request_method(req),
                                   .base_url = mr_storage_base_url(web->cloud.storage),
                                   .bucket = web->config->bucket,
                                   .object = output->object,
                                   .seconds = SIGNED_URL_SECONDS,
                                   .parameters = parameters};
    return mr_signed_url_make(web->cloud.signer, &wanted, ret, err);
}

static enum mr_status answer_redirected(struct mr_web *web, struct mr_request *req,
                                        const struct mr_output *output, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_SIGNED_URL_MAX);
    MR_TRY(make_url(web, req, output, &url, err));
    MR_TRY(mr_respond_header(req, "Location", mr_buf_str(&url), err));
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_empty(req, 302, err);
}

enum mr_status mr_api_file_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO(mr_output) struct mr_output output = {0};
    MR_TRY(find_output(web, req, &output, err));
    return web->cloud.signer ? answer_redirected(web, req, &output, err)
                             : answer_streamed(web, req, &output, err);
}
