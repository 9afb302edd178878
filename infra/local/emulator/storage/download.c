#include "infra/local/emulator/storage/download.h"

#include "infra/local/emulator/api/google_error.h"
#include "infra/local/emulator/storage/range.h"
#include "infra/local/emulator/storage/request.h"
#include "shared/base/crc32c.h"

#include <errno.h>
#include <inttypes.h>

enum { CHUNK_BYTES = 64 * 1024 };

static enum mr_status add_number(struct mr_request *req, const char *name, int64_t value, struct mr_err *err)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return mr_respond_header(req, name, text, err);
}

static enum mr_status add_hash(struct mr_request *req, const struct em_stored *stored, struct mr_err *err)
{
    char crc32c[9], md5[25], text[64];
    mr_crc32c_text(stored->digest.crc32c, crc32c);
    em_md5_text(stored->digest.md5, md5);
    if (stored->digest.has_md5)
        snprintf(text, sizeof text, "crc32c=%s,md5=%s", crc32c, md5);
    else
        snprintf(text, sizeof text, "crc32c=%s", crc32c);
    return mr_respond_header(req, "x-goog-hash", text, err);
}

/* The value of a setting in the answer: the URL may override the stored one. NULL if neither has one. */
static const char *shown(const struct mr_request *req, const struct em_stored *stored, const char *setting,
                         const char *parameter)
{
    const char *wanted = mr_request_query(req, parameter);
    return wanted ? wanted : em_stored_setting(stored, setting);
}

static enum mr_status add_settings(struct mr_request *req, const struct em_stored *stored, struct mr_err *err)
{
    static const struct {
        const char *setting, *parameter, *header;
    } settings[] = {
        {"cacheControl", "response-cache-control", "Cache-Control"},
        {"contentDisposition", "response-content-disposition", "Content-Disposition"},
        {"contentEncoding", "response-content-encoding", "Content-Encoding"},
        {"contentLanguage", "response-content-language", "Content-Language"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *value = shown(req, stored, settings[i].setting, settings[i].parameter);
        if (value)
            MR_TRY(mr_respond_header(req, settings[i].header, value, err));
    }
    return MR_OK;
}

static enum mr_status add_headers(struct mr_request *req, const struct em_stored *stored, struct mr_err *err)
{
    char etag[EM_ETAG_MAX];
    em_stored_etag(stored, etag);
    const char *encoding = em_stored_setting(stored, "contentEncoding");
    MR_TRY(add_hash(req, stored, err));
    MR_TRY(add_number(req, "x-goog-generation", stored->generation, err));
    MR_TRY(add_number(req, "x-goog-metageneration", stored->metageneration, err));
    MR_TRY(add_number(req, "x-goog-stored-content-length", stored->size, err));
    MR_TRY(mr_respond_header(req, "x-goog-stored-content-encoding", encoding ? encoding : "identity", err));
    MR_TRY(mr_respond_header(req, "ETag", etag, err));
    MR_TRY(mr_respond_header(req, "Accept-Ranges", "bytes", err));
    return add_settings(req, stored, err);
}

/* A broken stream ends with a failure after its first half: the server closes the connection then. */
static enum mr_status send_file(struct mr_request *req, int fd, int64_t first, int64_t length,
                                enum em_fault fault, struct mr_err *err)
{
    int64_t half = length / 2;
    MR_AUTO_STR char *chunk = malloc(CHUNK_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    while (length > 0) {
        int64_t left = fault == EM_FAULT_BREAK ? length - half : length;
        size_t want = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
        ssize_t got = pread(fd, chunk, want, first);
        if (got <= 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, got < 0 ? errno : EIO, "read an object");
        if (fault == EM_FAULT_CORRUPT)
            chunk[0] = (char)~chunk[0];
        fault = fault == EM_FAULT_CORRUPT ? EM_FAULT_NONE : fault;
        MR_TRY(mr_respond_write(req, chunk, (size_t)got, err));
        first += got;
        length -= got;
        if (fault == EM_FAULT_BREAK && length <= half)
            return mr_fail(err, MR_UNAVAILABLE, "this fault was ordered");
    }
    return mr_respond_end(req, err);
}

/* Answers by itself, because the server drops a failed handler's headers. */
static enum mr_status answer_unsatisfiable(struct mr_request *req, const struct em_stored *stored,
                                           struct mr_err *err)
{
    char range[40];
    struct mr_err cause;
    snprintf(range, sizeof range, "bytes */%" PRId64, stored->size);
    mr_fail_code(&cause, MR_CODE_RANGE_NOT_SATISFIABLE, "The requested range cannot be satisfied.");
    MR_TRY(mr_respond_header(req, "Content-Range", range, err));
    return em_google_answer_error(req, 416, &cause, err);
}

static enum mr_status send_object(struct mr_request *req, const struct em_stored *stored, int fd,
                                  enum em_fault fault, struct mr_err *err)
{
    int64_t first, length;
    enum em_object_range kind =
        em_object_range_parse(mr_request_header(req, "Range"), stored->size, &first, &length);
    if (kind == EM_OBJECT_NO_PART)
        return answer_unsatisfiable(req, stored, err);
    MR_TRY(add_headers(req, stored, err));
    if (kind == EM_OBJECT_PART) {
        char range[80];
        snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, first, first + length - 1,
                 stored->size);
        MR_TRY(mr_respond_header(req, "Content-Range", range, err));
    }
    const char *type = shown(req, stored, "contentType", "response-content-type");
    MR_TRY(mr_respond_begin(req, kind == EM_OBJECT_PART ? 206 : 200, type ? type : "application/octet-stream",
                            length, err));
    return send_file(req, fd, first, length, fault, err);
}

enum mr_status em_download(struct em_store *store, struct em_faults *faults, struct mr_request *req,
                           const char *bucket, const char *name, struct mr_err *err)
{
    struct em_conditions conditions;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_AUTO_FD int fd = -1;
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(em_store_get(store, bucket, name, &conditions, &stored, &fd, err));
    return send_object(req, stored, fd, em_faults_take_download(faults), err);
}
