#include "worker/sandbox_job.h"

#include "shared/base/clock.h"
#include "worker/protocol.h"
#include "worker/sandbox_clock.h"
#include "worker/sandbox_output_order.h"
#include "worker/sandbox_reader.h"
#include "worker/sandbox_verdict.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    POLL_MS = 200, /* a cancellation or a limit takes effect this late at most */
    RUNS_MAX =
        3, /* of a job whose audio cannot be copied: a track, or damage, is found out, another, then all is encoded */
};

struct job {
    struct mr_sandbox_child child;
    const struct mr_sandbox_callbacks *callbacks;
    void *ctx;
    const struct mr_sandbox_limits *limits;
    struct mr_sandbox_clock *clock; /* of all runs together; not owned */

    struct mr_reader requests;
    struct mr_reader frames;
    struct mr_reader records;
    struct {
        struct mr_range_reply head;
        char data[MR_RANGE_MAX];
    } reply;
    size_t reply_len; /* bytes of reply still to send: reply_sent … reply_len */
    size_t reply_sent;

    struct mr_output_order order;
    struct mr_verdict verdict;
};

static void job_free(struct job *job)
{
    if (!job)
        return;
    mr_sandbox_child_end(&job->child);
    mr_reader_free(&job->requests);
    mr_reader_free(&job->frames);
    mr_reader_free(&job->records);
    mr_verdict_free(&job->verdict);
    free(job);
}
MR_DEFINE_CLEANUP(job, job_free)

static enum mr_status job_new(const struct mr_sandbox_callbacks *callbacks, void *ctx,
                              const struct mr_sandbox_limits *limits, struct mr_sandbox_clock *clock,
                              struct job **ret, struct mr_err *err)
{
    MR_AUTO(job) struct job *job = calloc(1, sizeof *job);
    if (!job)
        return mr_fail_oom(err);
    job->child = MR_SANDBOX_CHILD_NONE;
    job->callbacks = callbacks;
    job->ctx = ctx;
    job->limits = limits;
    job->clock = clock;
    clock->alive = mr_time_monotonic_us();
    MR_TRY(mr_reader_init(&job->requests, sizeof(struct mr_range_request),
                          offsetof(struct mr_range_request, len), 0, err));
    MR_TRY(mr_reader_init(&job->frames, sizeof(struct mr_output_frame), offsetof(struct mr_output_frame, len),
                          MR_FRAME_MAX, err));
    MR_TRY(mr_reader_init(&job->records, sizeof(struct mr_status_record),
                          offsetof(struct mr_status_record, len), MR_STATUS_TEXT_MAX, err));
    *ret = MR_TAKE(job);
    return MR_OK;
}

/* Sends what the socket takes of the reply. */
static enum mr_status send_reply(struct job *job, struct mr_err *err)
{
    while (job->reply_sent < job->reply_len) {
        ssize_t n = send(job->child.input, (const char *)&job->reply + job->reply_sent,
                         job->reply_len - job->reply_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return MR_OK;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            job->reply_sent = job->reply_len; /* the child died; its lifeline reports how */
            return MR_OK;
        }
        if (n < 0)
            return mr_fail_errno(err, MR_EXHAUSTED, errno, "send input to the sandbox");
        job->reply_sent += (size_t)n;
        job->clock->alive = mr_time_monotonic_us();
    }
    return MR_OK;
}

static enum mr_status take_request(struct job *job, struct mr_err *err)
{
    struct mr_range_request request;
    memcpy(&request, job->requests.head, sizeof request);
    if (request.offset < 0 || request.len == 0 || request.len > MR_RANGE_MAX ||
        request.source >= MR_SOURCES_MAX)
        return mr_sandbox_broken_protocol(err, "invalid range");
    size_t len = 0;
    MR_TRY(job->callbacks->read_range(job->ctx, request.source, request.offset, job->reply.data, request.len,
                                      &len, err));
    if (len > request.len)
        return mr_fail(err, MR_INTERNAL, "read_range returned more than was requested");
    job->reply.head = (struct mr_range_reply){.len = (uint32_t)len};
    job->reply_len = sizeof job->reply.head + len;
    job->reply_sent = 0;
    job->clock->alive = mr_time_monotonic_us();
    return send_reply(job, err);
}

static enum mr_status take_frame(struct job *job, struct mr_err *err)
{
    struct mr_output_frame frame;
    memcpy(&frame, job->frames.head, sizeof frame);
    if (!mr_output_order_admit(&job->order, &frame))
        return mr_sandbox_broken_protocol(err, "output out of order");
    if (job->limits->output_max && mr_output_order_size(&job->order) > job->limits->output_max)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "output is larger than %lld bytes",
                            (long long)job->limits->output_max);
    enum mr_status status =
        job->callbacks->write_output(job->ctx, frame.output, frame.offset, job->frames.body, frame.len, err);
    job->clock->alive = mr_time_monotonic_us();
    return status;
}

static enum mr_status take_record(struct job *job, struct mr_err *err)
{
    struct mr_status_record record;
    memcpy(&record, job->records.head, sizeof record);
    int before = job->verdict.permille;
    MR_TRY(mr_verdict_take(&job->verdict, &record, job->records.body, err));
    if (job->verdict.permille == before)
        return MR_OK;
    if (job->callbacks->progress)
        job->callbacks->progress(job->ctx, job->verdict.permille);
    job->clock->alive = mr_time_monotonic_us();
    return MR_OK;
}

typedef enum mr_status take_fn(struct job *job, struct mr_err *err);

/* Takes one record if there is one. At the channel's end, *fd is closed and becomes -1. */
static enum mr_status serve_channel(struct job *job, struct mr_reader *reader, int *fd, take_fn *take,
                                    struct mr_err *err)
{
    bool any;
    enum mr_read_state state = mr_reader_next(reader, *fd, &any);
    if (any)
        job->clock->alive = mr_time_monotonic_us();
    switch (state) {
    case MR_READ_AGAIN:
        return MR_OK;
    case MR_READ_RECORD:
        return take(job, err);
    case MR_READ_BROKEN:
        return mr_sandbox_broken_protocol(err, "invalid length");
    case MR_READ_CUT: /* a crash or a broken protocol: its exit decides */
        job->verdict.is_cut = true;
        break;
    case MR_READ_END:
        break;
    }
    close(*fd);
    *fd = -1;
    return MR_OK;
}

/* Reads how the child ended. The other channels then hold only what it sent before. */
static enum mr_status serve_lifeline(struct job *job, struct mr_err *err)
{
    ssize_t n = read(job->child.lifeline, &job->verdict.exit, sizeof job->verdict.exit);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return MR_OK;
    if (n != (ssize_t)sizeof job->verdict.exit)
        return mr_fail_code(err, MR_CODE_SANDBOX_UNAVAILABLE, "sandbox has died");
    job->verdict.has_exit = true;
    return MR_OK;
}

static enum mr_status check_limits(const struct job *job, struct mr_err *err)
{
    const struct mr_sandbox_limits *limits = job->limits;
    int64_t now = mr_time_monotonic_us();
    if (job->callbacks->canceled && job->callbacks->canceled(job->ctx))
        return mr_fail(err, MR_CANCELED, "job cancelled");
    if (limits->total_ms && now - job->clock->started > limits->total_ms * 1000)
        return mr_fail_code(err, MR_CODE_TIMED_OUT, "conversion took longer than %lld s",
                            (long long)limits->total_ms / 1000);
    if (limits->stall_ms && now - job->clock->alive > limits->stall_ms * 1000)
        return mr_fail_code(err, MR_CODE_TIMED_OUT, "conversion made no progress for %lld s",
                            (long long)limits->stall_ms / 1000);
    return MR_OK;
}

static enum mr_status serve_input(struct job *job, struct mr_err *err)
{
    if (job->reply_sent < job->reply_len)
        return send_reply(job, err);
    return serve_channel(job, &job->requests, &job->child.input, take_request, err);
}

static enum mr_status serve_ready(struct job *job, const struct pollfd pollers[4], struct mr_err *err)
{
    struct mr_sandbox_child *child = &job->child;
    if (pollers[0].revents)
        MR_TRY(serve_input(job, err));
    if (pollers[1].revents)
        MR_TRY(serve_channel(job, &job->frames, &child->output, take_frame, err));
    if (pollers[2].revents)
        MR_TRY(serve_channel(job, &job->records, &child->status, take_record, err));
    if (pollers[3].revents)
        MR_TRY(serve_lifeline(job, err));
    return MR_OK;
}

static enum mr_status wait_for_child(struct job *job, struct pollfd pollers[4], struct mr_err *err)
{
    int64_t before = mr_time_monotonic_us();
    if (poll(pollers, 4, POLL_MS) < 0 && errno != EINTR)
        return mr_fail_errno(err, MR_INTERNAL, errno, "poll the sandbox");
    mr_sandbox_clock_waited(job->clock, before, mr_time_monotonic_us(), POLL_MS * 1000);
    return MR_OK;
}

/* Until the child is reaped and everything that it sent is taken. */
static enum mr_status serve(struct job *job, struct mr_err *err)
{
    const struct mr_sandbox_child *child = &job->child;
    while (!job->verdict.has_exit || child->output >= 0 || child->status >= 0) {
        struct pollfd pollers[4] = {
            {child->input, job->reply_sent < job->reply_len ? POLLOUT : POLLIN, 0},
            {child->output, POLLIN, 0},
            {child->status, POLLIN, 0},
            {job->verdict.has_exit ? -1 : child->lifeline, POLLIN, 0},
        };
        MR_TRY(wait_for_child(job, pollers, err));
        MR_TRY(serve_ready(job, pollers, err));
        MR_TRY(check_limits(job, err));
    }
    return MR_OK;
}

/* ret_encode_audio: what the child wants if it fails with "copy_impossible". */
static enum mr_status run_once(struct mr_sandbox *sandbox, const json_t *spec,
                               const struct mr_sandbox_callbacks *callbacks, void *ctx,
                               const struct mr_sandbox_limits *limits, struct mr_sandbox_clock *clock,
                               json_t **ret_receipt, uint32_t *ret_encode_audio, struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(spec, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    MR_AUTO(job) struct job *job = NULL;
    MR_TRY(job_new(callbacks, ctx, limits, clock, &job, err));
    MR_TRY(mr_sandbox_spawn(sandbox, text, strlen(text), limits, &job->child, err));
    MR_TRY(serve(job, err));
    *ret_encode_audio = job->verdict.encode_audio;
    return mr_verdict_decide(&job->verdict, limits, mr_output_order_is_complete(&job->order), ret_receipt,
                             err);
}

enum mr_status mr_sandbox_run(struct mr_sandbox *sandbox, const json_t *spec,
                              const struct mr_sandbox_callbacks *callbacks, void *ctx,
                              const struct mr_sandbox_limits *limits, json_t **ret_receipt,
                              struct mr_err *err)
{
    MR_AUTO_JSON json_t *again = json_copy((json_t *)(uintptr_t)spec);
    if (!again)
        return mr_fail_oom(err);
    struct mr_sandbox_clock clock = {.started = mr_time_monotonic_us()};
    for (int run = 1;; run++) {
        struct mr_err failure = {0};
        uint32_t encode_audio = 0;
        if (run_once(sandbox, again, callbacks, ctx, limits, &clock, ret_receipt, &encode_audio, &failure) ==
            MR_OK)
            return MR_OK;
        if (failure.code != MR_CODE_COPY_IMPOSSIBLE)
            return mr_fail_from(err, &failure);
        if (!callbacks->restart || run == RUNS_MAX) /* nothing was to be copied */
            return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "the child asked for one more run");
        MR_TRY(callbacks->restart(ctx, err));
        encode_audio = run + 1 < RUNS_MAX ? encode_audio : UINT32_MAX;
        if (json_object_set_new(again, "encode_audio", json_integer(encode_audio)) < 0)
            return mr_fail_oom(err);
    }
}
