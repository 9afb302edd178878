/*
 * The sandbox protocol, seen from the worker: a child that sends any bytes on its channels. The data is cut into the
 * three channels and the exit record. A job must end, with a verdict that is about this job alone: never "internal",
 * and output only in the order that protocol.h demands. Programs that link this wrap the two functions of
 * sandbox_zygote.c that start and end a child.
 */
#include "tests/fuzz/fuzz.h"

#include "shared/base/utf8.h"
#include "worker/protocol.h"
#include "worker/sandbox_job.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHANNEL_MAX = 48 * 1024 }; /* less than what a pipe holds */

enum mr_status __wrap_mr_sandbox_spawn(struct mr_sandbox *sandbox, const void *spec, size_t len,
                                       const struct mr_sandbox_limits *limits, struct mr_sandbox_child *ret,
                                       struct mr_err *err);
void __wrap_mr_sandbox_child_end(struct mr_sandbox_child *child);

/* What the next child sends. */
static struct {
    const uint8_t *data;
    size_t len;
} sent;

/* A socket whose other end has sent the next part of the data, and is closed. The part's length comes first. */
static int next_channel(size_t most)
{
    int pair[2];
    size_t len = 0;
    MR_HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    if (sent.len >= 2) {
        len = (size_t)(sent.data[0] | sent.data[1] << 8);
        sent.data += 2;
        sent.len -= 2;
    }
    len = len < sent.len ? len : sent.len;
    len = len < most ? len : most;
    MR_HOLDS(send(pair[1], sent.data, len, 0) == (ssize_t)len);
    sent.data += len;
    sent.len -= len;
    close(pair[1]);
    return pair[0];
}

enum mr_status __wrap_mr_sandbox_spawn(struct mr_sandbox *sandbox, const void *spec, size_t len,
                                       const struct mr_sandbox_limits *limits, struct mr_sandbox_child *ret,
                                       struct mr_err *err)
{
    (void)sandbox, (void)spec, (void)len, (void)limits, (void)err;
    ret->lifeline = next_channel(sizeof(struct mr_exit_record));
    ret->input = next_channel(CHANNEL_MAX);
    ret->status = next_channel(CHANNEL_MAX);
    ret->output = next_channel(CHANNEL_MAX);
    return MR_OK;
}

void __wrap_mr_sandbox_child_end(struct mr_sandbox_child *child)
{
    int *const fds[] = {&child->input, &child->output, &child->status, &child->lifeline};
    for (size_t i = 0; i < 4; i++)
        if (*fds[i] >= 0) {
            close(*fds[i]);
            *fds[i] = -1;
        }
}

struct output {
    uint32_t number;
    int64_t bytes;
};

static enum mr_status read_range(void *ctx, uint32_t source, int64_t offset, void *buf, size_t len,
                                 size_t *ret_len, struct mr_err *err)
{
    (void)ctx, (void)err;
    MR_HOLDS(source < MR_SOURCES_MAX && offset >= 0 && len >= 1 && len <= MR_RANGE_MAX);
    memset(buf, 7, len);
    *ret_len = offset > INT64_MAX / 2 ? 0 : len;
    return MR_OK;
}

static enum mr_status write_output(void *ctx, uint32_t number, int64_t offset, const void *data, size_t len,
                                   struct mr_err *err)
{
    (void)err;
    struct output *output = ctx;
    MR_HOLDS(number == output->number || number == output->number + 1);
    MR_HOLDS(number < MR_OUTPUTS_MAX && offset >= 0 && data && len >= 1 && len <= MR_FRAME_MAX);
    output->number = number;
    output->bytes += (int64_t)len;
    return MR_OK;
}

static void progress(void *ctx, int permille)
{
    (void)ctx;
    MR_HOLDS(permille > 0 && permille <= MR_PROGRESS_DONE);
}

void mr_fuzz_sandbox_parent(const uint8_t *data, size_t len)
{
    static const struct mr_sandbox_callbacks callbacks = {
        .read_range = read_range, .write_output = write_output, .progress = progress};
    static const struct mr_sandbox_limits limits = {.total_ms = 60000, .output_max = 40000};
    struct output output = {0};
    struct mr_err err = {0};
    json_t *receipt = NULL;
    sent.data = data;
    sent.len = len;
    MR_AUTO_JSON json_t *spec = json_object();
    enum mr_status status = mr_sandbox_run(NULL, spec, &callbacks, &output, &limits, &receipt, &err);
    MR_HOLDS(output.bytes <= limits.output_max);
    if (status != MR_OK) {
        mr_fuzz_check_failure(status, &err);
        return;
    }
    MR_AUTO_JSON json_t *owned = receipt;
    MR_HOLDS(json_is_object(owned));
    MR_AUTO_STR char *text = json_dumps(owned, JSON_COMPACT); /* what goes into the database */
    MR_HOLDS(text && mr_utf8_is_valid(text, strlen(text)) && !strstr(text, "\\u0000"));
}
