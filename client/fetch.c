#include "client/fetch.h"

#include "client/api.h"
#include "client/files.h"
#include "client/progress.h"
#include "client/retry.h"
#include "shared/base/crc32c.h"
#include "shared/http/client_url.h"

#include <errno.h>
#include <inttypes.h>

enum { REDIRECTS_MAX = 3, HEADER_MAX = 256, LOCATION_MAX = 8192 };

struct getter {
    struct mr_cli *cli;
    const struct mr_cli_fetch *fetch;
    const struct mr_cli_output *output;
    const struct mr_http_response *res; /* of the request that runs */
    int64_t done;
    uint32_t crc;          /* of what is done */
    char etag[HEADER_MAX]; /* of what is done; "": not known */
    bool is_begun;         /* the body of this request */
};

bool mr_cli_crc32c_of(const char *header, char out[9])
{
    const char *found = strstr(header, "crc32c=");
    size_t len = found ? strcspn(found + 7, ", ") : 0;
    if (len != 8)
        return false;
    memcpy(out, found + 7, len);
    out[len] = '\0';
    return true;
}

static enum mr_status start_again(struct getter *getter, struct mr_err *err)
{
    if (!getter->output->path)
        return mr_fail(err, MR_INVALID,
                       "file has changed on the server, and standard output cannot be taken back");
    if (ftruncate(getter->output->fd, 0) != 0 || lseek(getter->output->fd, 0, SEEK_SET) != 0)
        return mr_cli_fail_file(err, getter->output->path, errno);
    getter->done = 0;
    getter->crc = 0;
    return MR_OK;
}

/* A 200 has all bytes, a 206 those that are asked for, if it is the same file. */
static enum mr_status begin_body(struct getter *getter, struct mr_err *err)
{
    char etag[HEADER_MAX] = "";
    (void)mr_http_response_header(getter->res, "ETag", etag, sizeof etag);
    bool is_other = strcmp(etag, getter->etag) != 0;
    bool is_part = getter->res->status == 206;
    getter->is_begun = true;
    snprintf(getter->etag, sizeof getter->etag, "%s", etag);
    if (!getter->done)
        return is_part ? mr_fail(err, MR_UNAVAILABLE, "the answer must be the whole file") : MR_OK;
    if (!is_part || is_other)
        MR_TRY(start_again(getter, err));
    return is_part && is_other ? mr_fail(err, MR_UNAVAILABLE, "file has changed on the server") : MR_OK;
}

static enum mr_status take(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct getter *getter = ctx;
    if (!getter->is_begun)
        MR_TRY(begin_body(getter, err));
    if (getter->done + (int64_t)len > getter->fetch->size)
        return mr_fail(err, MR_INVALID, "file has more than the %" PRId64 " bytes that the task names",
                       getter->fetch->size);
    MR_TRY(mr_cli_write_all(getter->output->fd,
                            getter->output->path ? getter->output->path : "standard output", data, len, err));
    getter->crc = mr_crc32c(getter->crc, data, len);
    getter->done += (int64_t)len;
    mr_cli_progress_bytes(getter->cli, getter->done, getter->fetch->size);
    return MR_OK;
}

static enum mr_status check_whole(const struct getter *getter, struct mr_err *err)
{
    char header[HEADER_MAX], wanted[9], is[9];
    if (getter->done != getter->fetch->size)
        return mr_fail(err, MR_UNAVAILABLE, "file is not whole: %" PRId64 " of %" PRId64 " bytes arrived",
                       getter->done, getter->fetch->size);
    mr_crc32c_text(getter->crc, is);
    if (mr_http_response_header_list(getter->res, "x-goog-hash", header, sizeof header) &&
        mr_cli_crc32c_of(header, wanted) && strcmp(wanted, is) != 0)
        return mr_fail_as(err, MR_UNAVAILABLE, MR_CODE_CORRUPTED, "file was damaged on its way");
    return MR_OK;
}

static enum mr_status get_once(struct getter *getter, const char *url, const char *authorization,
                               struct mr_http_response *res, struct mr_err *err)
{
    char range[64];
    const char *headers[3];
    int count = 0;
    struct mr_http_request request = mr_cli_request(getter->cli, "GET", url);
    if (authorization)
        headers[count++] = authorization;
    snprintf(range, sizeof range, "Range: bytes=%" PRId64 "-", getter->done);
    if (getter->done)
        headers[count++] = range;
    headers[count] = NULL;
    request.headers = headers;
    request.sink = take;
    request.sink_ctx = getter;
    getter->res = res;
    getter->is_begun = false;
    return mr_http_perform(getter->cli->http, &request, res, err);
}

/* The server may send the client to storage, which must not see the key. */
static enum mr_status get_redirected(struct getter *getter, const char *url, struct mr_http_response *res,
                                     struct mr_err *err)
{
    MR_AUTO_STR char *authorization = NULL, *target = strdup(url);
    char location[LOCATION_MAX];
    if (!target)
        return mr_fail_oom(err);
    MR_TRY(mr_cli_authorization(getter->cli, NULL, &authorization, err));
    for (int i = 0; i < REDIRECTS_MAX; i++) {
        char *next = NULL;
        MR_TRY(get_once(getter, target, i ? NULL : authorization, res, err));
        if (res->status < 300 || res->status > 399)
            return MR_OK;
        if (!mr_http_response_header(res, "Location", location, sizeof location))
            break;
        MR_TRY(mr_url_resolve(target, location, &next, err));
        free(target);
        target = next;
    }
    return mr_fail(err, MR_UNAVAILABLE, "download is redirected without end");
}

static enum mr_status attempt(struct getter *getter, const char *url, struct mr_http_response *res,
                              struct mr_err *err)
{
    MR_TRY(get_redirected(getter, url, res, err));
    if (res->status < 200 || res->status > 299)
        return mr_cli_problem(res, err);
    return check_whole(getter, err);
}

enum mr_status mr_cli_fetch(struct mr_cli *cli, const struct mr_cli_fetch *fetch,
                            const struct mr_cli_output *output, struct mr_err *err)
{
    struct getter getter = {.cli = cli, .fetch = fetch, .output = output};
    struct mr_cli_retry retry = {0};
    MR_AUTO_STR char *url = NULL;
    if (asprintf(&url, "%s/api/files/%s?n=%d", cli->settings->server, fetch->file_id, fetch->n) < 0)
        return mr_fail_oom(err);
    while (true) {
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err failure = {0};
        int64_t before = getter.done;
        bool again = false;
        enum mr_status status = attempt(&getter, url, &res, &failure);
        if (status == MR_OK)
            return MR_OK;
        if (mr_status_is_transient(status)) {
            if (getter.done == fetch->size) /* it is damaged */
                MR_TRY(start_again(&getter, err));
            retry.failures = getter.done > before ? 0 : retry.failures;
            MR_TRY(mr_cli_retry_again(cli, &retry, &res, &again, err));
        }
        if (!again)
            return mr_fail_from(err, &failure);
    }
}
