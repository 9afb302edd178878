#include "worker/sandbox_client.h"

#include "worker/protocol.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/* Writes both parts whole; the second may be empty. */
static bool write_all(int fd, const void *head, size_t head_len, const void *data, size_t len)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)head, head_len}, {(void *)(uintptr_t)data, len}};
    struct iovec *next = parts, *end = parts + (len ? 2 : 1);
    while (next < end) {
        ssize_t n = writev(fd, next, (int)(end - next));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        size_t done = (size_t)n;
        while (next < end && done >= next->iov_len)
            done -= (next++)->iov_len;
        if (next < end) {
            next->iov_base = (char *)next->iov_base + done;
            next->iov_len -= done;
        }
    }
    return true;
}

static bool read_all(int fd, void *buf, size_t len)
{
    char *at = buf;
    while (len) {
        ssize_t n = read(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool mr_client_read(const struct mr_sandbox_fds *fds, uint32_t source, int64_t offset, void *buf, size_t len,
                    size_t *ret_len)
{
    if (offset < 0 || len == 0 || source >= MR_SOURCES_MAX)
        return false;
    const struct mr_range_request request = {
        .offset = offset,
        .len = (uint32_t)(len < MR_RANGE_MAX ? len : MR_RANGE_MAX),
        .source = source,
    };
    struct mr_range_reply reply;
    if (!write_all(fds->input, &request, sizeof request, NULL, 0) ||
        !read_all(fds->input, &reply, sizeof reply) || reply.len > request.len ||
        !read_all(fds->input, buf, reply.len))
        return false;
    *ret_len = reply.len;
    return true;
}

bool mr_client_write(const struct mr_sandbox_fds *fds, uint32_t output, int64_t offset, const void *data,
                     size_t len)
{
    if (output >= MR_OUTPUTS_MAX)
        return false;
    const char *at = data;
    while (len) {
        size_t part = len < MR_FRAME_MAX ? len : MR_FRAME_MAX;
        const struct mr_output_frame frame = {.offset = offset, .len = (uint32_t)part, .output = output};
        if (offset < 0 || !write_all(fds->output, &frame, sizeof frame, at, part))
            return false;
        at += part;
        offset += (int64_t)part;
        len -= part;
    }
    return true;
}

bool mr_client_progress(const struct mr_sandbox_fds *fds, int permille)
{
    if (permille < 0 || permille > MR_PROGRESS_DONE)
        return false;
    const struct mr_status_record record = {.type = MR_STATUS_PROGRESS, .value = (uint32_t)permille};
    return write_all(fds->status, &record, sizeof record, NULL, 0);
}

static bool write_text(const struct mr_sandbox_fds *fds, enum mr_status_type type, const json_t *value)
{
    MR_AUTO_STR char *text = json_dumps(value, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    if (!text || len > MR_STATUS_TEXT_MAX)
        return false;
    const struct mr_status_record record = {.type = type, .len = (uint32_t)len};
    return write_all(fds->status, &record, sizeof record, text, len);
}

bool mr_client_result(const struct mr_sandbox_fds *fds, const json_t *receipt)
{
    return write_text(fds, MR_STATUS_RESULT, receipt);
}

/* The child knows nothing but its file: memory that runs out is its limit, and what has no code of its own is a
 * fault of the converter that this file met. */
static enum mr_code reported_code(const struct mr_err *cause)
{
    if (mr_code_row(cause->code)->places & MR_CODE_IN_CHILD)
        return cause->code;
    return cause->status == MR_EXHAUSTED ? MR_CODE_RESOURCE_LIMIT : MR_CODE_CONVERTER_FAULT;
}

bool mr_client_copy_impossible(const struct mr_sandbox_fds *fds, uint32_t encode_audio)
{
    MR_AUTO_JSON json_t *value =
        json_pack("{s:s, s:s, s:I}", "code", mr_code_name(MR_CODE_COPY_IMPOSSIBLE), "detail",
                  "the audio cannot be copied", "encode_audio", (json_int_t)encode_audio);
    return value && write_text(fds, MR_STATUS_FAILURE, value);
}

bool mr_client_failure(const struct mr_sandbox_fds *fds, const struct mr_err *cause)
{
    MR_AUTO_JSON json_t *value =
        json_pack("{s:s, s:s}", "code", mr_code_name(reported_code(cause)), "detail", cause->message);
    return value && write_text(fds, MR_STATUS_FAILURE, value);
}
