#include "worker/sandbox_job.h"

#include "shared/base/encoding.h"
#include "worker/protocol.h"
#include "worker/sandbox_reader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 200 }; /* how late a cancellation or a limit may be noticed */

/* Where the outputs stand: protocol.h gives the order. */
struct output_order {
    uint32_t output; /* the one that is being written; all before it are complete */
    bool begun;
    bool in_head;
    int64_t body_start;
    int64_t body_end;
    int64_t head_end;
    int64_t earlier; /* bytes of the complete ones */
};

struct job {
    struct mr_sandbox_child child;
    const struct mr_sandbox_callbacks *callbacks;
    void *ctx;
    const struct mr_sandbox_limits *limits;
    int64_t started_us;
    int64_t alive_us; /* when the child was last heard, or we were last busy ourselves */

    struct mr_reader requests;
    struct mr_reader frames;
    struct mr_reader records;
    struct {
        struct mr_range_reply head;
        char data[MR_RANGE_MAX];
    } reply;
    size_t reply_len; /* bytes of reply still to send: reply_sent … reply_len */
    size_t reply_sent;

    struct output_order order;
    int permille;
    json_t *receipt; /* the child's last word: this … */
    bool has_failure;
    struct mr_err failure; /* … or this */
    bool is_cut;           /* a channel was closed within a record */
    bool has_exit;
    struct mr_exit_record exit;
};

static void job_free(struct job *job)
{
    if (!job)
        return;
    mr_sandbox_child_end(&job->child);
    mr_reader_free(&job->requests);
    mr_reader_free(&job->frames);
    mr_reader_free(&job->records);
    json_decref(job->receipt);
    free(job);
}
MR_DEFINE_CLEANUP(job, job_free)

static enum mr_status broken_protocol(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "the decoder lost its mind: %s", what);
}

static enum mr_status job_new(const struct mr_sandbox_callbacks *callbacks, void *ctx,
                              const struct mr_sandbox_limits *limits, struct job **ret, struct mr_err *err)
{
    MR_AUTO(job) struct job *job = calloc(1, sizeof *job);
    if (!job)
        return mr_fail_oom(err);
    job->child = MR_SANDBOX_CHILD_NONE;
    job->callbacks = callbacks;
    job->ctx = ctx;
    job->limits = limits;
    job->started_us = job->alive_us = mr_time_monotonic_us();
    enum mr_status status = mr_reader_init(&job->requests, sizeof(struct mr_range_request),
                                           offsetof(struct mr_range_request, len), 0, err);
    if (!status)
        status = mr_reader_init(&job->frames, sizeof(struct mr_output_frame),
                                offsetof(struct mr_output_frame, len), MR_FRAME_MAX, err);
    if (!status)
        status = mr_reader_init(&job->records, sizeof(struct mr_status_record),
                                offsetof(struct mr_status_record, len), MR_STATUS_TEXT_MAX, err);
    if (!status)
        *ret = MR_TAKE(job);
    return status;
}

/* ---- input ---- */

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
            job->reply_sent = job->reply_len; /* the child died; its lifeline will say how */
            return MR_OK;
        }
        if (n < 0)
            return mr_fail_errno(err, MR_EXHAUSTED, errno, "send input to the sandbox");
        job->reply_sent += (size_t)n;
        job->alive_us = mr_time_monotonic_us();
    }
    return MR_OK;
}

static enum mr_status answer_request(struct job *job, struct mr_err *err)
{
    struct mr_range_request request;
    memcpy(&request, job->requests.head, sizeof request);
    if (request.offset < 0 || request.len == 0 || request.len > MR_RANGE_MAX ||
        request.source >= MR_SOURCES_MAX)
        return broken_protocol(err, "an impossible range");
    size_t len = 0;
    enum mr_status status = job->callbacks->read_range(job->ctx, request.source, request.offset,
                                                       job->reply.data, request.len, &len, err);
    if (status)
        return status;
    if (len > request.len)
        return mr_fail(err, MR_INTERNAL, "read_range gave more than was asked for");
    job->reply.head = (struct mr_range_reply){.len = (uint32_t)len};
    job->reply_len = sizeof job->reply.head + len;
    job->reply_sent = 0;
    job->alive_us = mr_time_monotonic_us();
    return send_reply(job, err);
}

/* ---- output ---- */

static bool order_complete(const struct output_order *order)
{
    return order->begun && order->head_end >= order->body_start;
}

static int64_t order_size(const struct output_order *order)
{
    return order->head_end + order->body_end - order->body_start;
}

/* The index of an output may rise by one, and only once its bytes are all there. */
static bool order_admit_output(struct output_order *order, uint32_t output)
{
    if (output == order->output)
        return true;
    if (output != order->output + 1 || output >= MR_OUTPUTS_MAX || !order_complete(order))
        return false;
    *order = (struct output_order){.output = output, .earlier = order->earlier + order_size(order)};
    return true;
}

/* Admits an output's next bytes. */
static bool order_admit(struct output_order *order, int64_t offset, int64_t len)
{
    if (!order->begun) {
        if (offset > MR_HEAD_MAX)
            return false;
        order->begun = true;
        order->body_start = order->body_end = offset;
    }
    if (!order->in_head && offset == order->body_end && offset <= INT64_MAX - len) {
        order->body_end += len;
        return true;
    }
    order->in_head = true;
    if (order->body_start == 0 || offset != order->head_end || order->head_end + len > MR_HEAD_MAX)
        return false;
    order->head_end += len;
    return true;
}

static enum mr_status take_frame(struct job *job, struct mr_err *err)
{
    struct mr_output_frame frame;
    memcpy(&frame, job->frames.head, sizeof frame);
    if (frame.len == 0 || frame.offset < 0 || !order_admit_output(&job->order, frame.output) ||
        !order_admit(&job->order, frame.offset, frame.len))
        return broken_protocol(err, "output out of order");
    if (job->limits->output_max && job->order.earlier + order_size(&job->order) > job->limits->output_max)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the output is larger than %lld bytes",
                            (long long)job->limits->output_max);
    enum mr_status status =
        job->callbacks->write_output(job->ctx, frame.output, frame.offset, job->frames.body, frame.len, err);
    job->alive_us = mr_time_monotonic_us();
    return status;
}

/* ---- status ---- */

/* The detail may quote the file: as text it is checked by the JSON parser, control characters go here. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

static enum mr_status take_failure(struct job *job, const json_t *value, struct mr_err *err)
{
    const char *name, *detail;
    if (json_unpack((json_t *)(uintptr_t)value, "{s:s, s:s}", "code", &name, "detail", &detail) < 0)
        return broken_protocol(err, "a failure without code or detail");
    enum mr_code code = mr_code_find(name);
    if (code == MR_CODE_NONE || !(mr_code_row(code)->places & MR_CODE_IN_CHILD))
        return broken_protocol(err, "a failure of an unknown kind");
    mr_fail_code(&job->failure, code, "%s", detail);
    make_printable(job->failure.message);
    job->has_failure = true;
    return MR_OK;
}

static enum mr_status take_progress(struct job *job, uint32_t permille, struct mr_err *err)
{
    if (permille > MR_PROGRESS_DONE)
        return broken_protocol(err, "progress beyond the end");
    if ((int)permille > job->permille) {
        job->permille = (int)permille;
        if (job->callbacks->progress)
            job->callbacks->progress(job->ctx, job->permille);
        job->alive_us = mr_time_monotonic_us();
    }
    return MR_OK;
}

static enum mr_status take_record(struct job *job, struct mr_err *err)
{
    struct mr_status_record record;
    memcpy(&record, job->records.head, sizeof record);
    if (job->receipt || job->has_failure)
        return broken_protocol(err, "words after the last one");
    if (record.type == MR_STATUS_PROGRESS && record.len == 0)
        return take_progress(job, record.value, err);

    MR_AUTO_JSON json_t *value = json_loadb(job->records.body, record.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(value))
        return broken_protocol(err, "a status that is no JSON object");
    if (record.type == MR_STATUS_FAILURE)
        return take_failure(job, value, err);
    if (record.type != MR_STATUS_RESULT)
        return broken_protocol(err, "a status of an unknown type");
    job->receipt = MR_TAKE(value);
    return MR_OK;
}

/* ---- the loop ---- */

typedef enum mr_status take_fn(struct job *job, struct mr_err *err);

/* Takes one record if there is one. At the channel's end, *fd is closed and becomes -1. */
static enum mr_status serve_channel(struct job *job, struct mr_reader *reader, int *fd, take_fn *take,
                                    struct mr_err *err)
{
    bool any;
    enum mr_read_state state = mr_reader_next(reader, *fd, &any);
    if (any)
        job->alive_us = mr_time_monotonic_us();
    switch (state) {
    case MR_READ_AGAIN:
        return MR_OK;
    case MR_READ_RECORD:
        return take(job, err);
    case MR_READ_BROKEN:
        return broken_protocol(err, "an impossible length");
    case MR_READ_CUT: /* a crash or a lie: its exit will tell */
        job->is_cut = true;
        break;
    case MR_READ_END:
        break;
    }
    close(*fd);
    *fd = -1;
    return MR_OK;
}

/* Reads how the child ended; afterwards the other channels only hold what it had sent before. */
static enum mr_status serve_lifeline(struct job *job, struct mr_err *err)
{
    ssize_t n = read(job->child.lifeline, &job->exit, sizeof job->exit);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return MR_OK;
    if (n != (ssize_t)sizeof job->exit)
        return mr_fail_code(err, MR_CODE_SANDBOX_UNAVAILABLE, "the sandbox has died");
    job->has_exit = true;
    return MR_OK;
}

static enum mr_status check_limits(const struct job *job, struct mr_err *err)
{
    const struct mr_sandbox_limits *limits = job->limits;
    int64_t now = mr_time_monotonic_us();
    if (job->callbacks->canceled && job->callbacks->canceled(job->ctx))
        return mr_fail(err, MR_CANCELED, "canceled");
    if (limits->total_ms && now - job->started_us > limits->total_ms * 1000)
        return mr_fail_code(err, MR_CODE_TIMED_OUT, "the conversion took longer than %lld s",
                            (long long)limits->total_ms / 1000);
    if (limits->stall_ms && now - job->alive_us > limits->stall_ms * 1000)
        return mr_fail_code(err, MR_CODE_TIMED_OUT, "the conversion made no progress for %lld s",
                            (long long)limits->stall_ms / 1000);
    return MR_OK;
}

static enum mr_status serve_ready(struct job *job, const struct pollfd pollers[4], struct mr_err *err)
{
    struct mr_sandbox_child *child = &job->child;
    enum mr_status status = MR_OK;
    if (pollers[0].revents)
        status = job->reply_sent < job->reply_len
                     ? send_reply(job, err)
                     : serve_channel(job, &job->requests, &child->input, answer_request, err);
    if (!status && pollers[1].revents)
        status = serve_channel(job, &job->frames, &child->output, take_frame, err);
    if (!status && pollers[2].revents)
        status = serve_channel(job, &job->records, &child->status, take_record, err);
    if (!status && pollers[3].revents)
        status = serve_lifeline(job, err);
    return status;
}

/* Until the child is reaped and all that it sent is taken. */
static enum mr_status serve(struct job *job, struct mr_err *err)
{
    const struct mr_sandbox_child *child = &job->child;
    enum mr_status status = MR_OK;
    while (!status && (!job->has_exit || child->output >= 0 || child->status >= 0)) {
        struct pollfd pollers[4] = {
            {child->input, job->reply_sent < job->reply_len ? POLLOUT : POLLIN, 0},
            {child->output, POLLIN, 0},
            {child->status, POLLIN, 0},
            {job->has_exit ? -1 : child->lifeline, POLLIN, 0},
        };
        if (poll(pollers, 4, POLL_MS) < 0 && errno != EINTR)
            return mr_fail_errno(err, MR_INTERNAL, errno, "poll the sandbox");
        status = serve_ready(job, pollers, err);
        if (!status)
            status = check_limits(job, err);
    }
    return status;
}

/* ---- the end ---- */

static enum mr_status judge_signal(int signal_number, struct mr_err *err)
{
    switch (signal_number) {
    case SIGSYS:
        return mr_fail_code(err, MR_CODE_SANDBOX_VIOLATION,
                            "sandbox violation: the decoder tried a forbidden system call");
    case SIGXCPU:
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the decoder used up its processor time");
    case SIGKILL: /* not ours: we have not asked for it */
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT,
                            "the decoder was killed, most likely for want of memory");
    default:
        return mr_fail_code(err, MR_CODE_DECODER_CRASHED, "the decoder crashed (SIG%s)",
                            sigabbrev_np(signal_number) ? sigabbrev_np(signal_number) : "?");
    }
}

static enum mr_status judge(struct job *job, json_t **ret_receipt, struct mr_err *err)
{
    if (job->exit.type != MR_EXIT_WAITED)
        return mr_fail_errno(err, MR_EXHAUSTED, job->exit.value, "fork a child of the sandbox");
    int wait_status = job->exit.value;
    if (WIFSIGNALED(wait_status))
        return judge_signal(WTERMSIG(wait_status), err);
    if (job->has_failure) {
        if (err)
            *err = job->failure;
        return job->failure.status;
    }
    if (WEXITSTATUS(wait_status) != 0)
        return mr_fail_code(err, MR_CODE_DECODER_CRASHED, "the decoder ended with code %d",
                            WEXITSTATUS(wait_status));
    if (job->is_cut)
        return broken_protocol(err, "half a record");
    if (!job->receipt)
        return broken_protocol(err, "it ended without a result");
    if (job->order.begun && !order_complete(&job->order))
        return broken_protocol(err, "its output has a hole");
    *ret_receipt = MR_TAKE(job->receipt);
    return MR_OK;
}

enum mr_status mr_sandbox_run(struct mr_sandbox *sandbox, const json_t *spec,
                              const struct mr_sandbox_callbacks *callbacks, void *ctx,
                              const struct mr_sandbox_limits *limits, json_t **ret_receipt,
                              struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(spec, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    MR_AUTO(job) struct job *job = NULL;
    enum mr_status status = job_new(callbacks, ctx, limits, &job, err);
    if (!status)
        status = mr_sandbox_spawn(sandbox, text, strlen(text), limits, &job->child, err);
    if (!status)
        status = serve(job, err);
    return status ? status : judge(job, ret_receipt, err);
}
