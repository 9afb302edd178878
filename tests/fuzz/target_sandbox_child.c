/*
 * The sandbox protocol, seen from the child: any spec, and anything as the parent's replies to its reads. The child
 * must end, and may only send what the parent's own checks accept. The data: the length of the spec (2 bytes), the
 * spec, then all that arrives on the input channel. A thread stands in for the parent.
 */
#include "tests/fuzz/fuzz.h"

#include "worker/media/convert.h"
#include "worker/protocol.h"
#include "worker/sandbox_output_order.h"
#include "worker/sandbox_reader.h"
#include "worker/sandbox_verdict.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPLIES_MAX = 60 * 1024 }; /* less than what a socket holds */

struct parent {
    int input, output, status; /* -1 once the child has closed it */
    struct mr_reader requests, frames, records;
    struct mr_output_order order;
    struct mr_verdict verdict;
};

static void take_request(struct parent *parent)
{
    struct mr_range_request request;
    memcpy(&request, parent->requests.head, sizeof request);
    MR_HOLDS(request.offset >= 0 && request.len >= 1 && request.len <= MR_RANGE_MAX &&
             request.source < MR_SOURCES_MAX);
}

static void take_frame(struct parent *parent)
{
    struct mr_output_frame frame;
    memcpy(&frame, parent->frames.head, sizeof frame);
    MR_HOLDS(mr_output_order_admit(&parent->order, &frame));
}

static void take_record(struct parent *parent)
{
    struct mr_status_record record;
    struct mr_err err = {0};
    memcpy(&record, parent->records.head, sizeof record);
    MR_HOLDS(mr_verdict_take(&parent->verdict, &record, parent->records.body, &err) == MR_OK);
}

static void serve(struct parent *parent, struct mr_reader *reader, int *fd,
                  void (*take)(struct parent *parent))
{
    bool any;
    enum mr_read_state state = mr_reader_next(reader, *fd, &any);
    MR_HOLDS(state == MR_READ_AGAIN || state == MR_READ_RECORD || state == MR_READ_END);
    if (state == MR_READ_RECORD)
        take(parent);
    if (state == MR_READ_END)
        *fd = -1;
}

static void *run_parent(void *ctx)
{
    struct parent *parent = ctx;
    while (parent->output >= 0 || parent->status >= 0 || parent->input >= 0) {
        struct pollfd pollers[] = {
            {parent->input, POLLIN, 0}, {parent->output, POLLIN, 0}, {parent->status, POLLIN, 0}};
        MR_HOLDS(poll(pollers, 3, -1) > 0);
        if (pollers[0].revents)
            serve(parent, &parent->requests, &parent->input, take_request);
        if (pollers[1].revents)
            serve(parent, &parent->frames, &parent->output, take_frame);
        if (pollers[2].revents)
            serve(parent, &parent->records, &parent->status, take_record);
    }
    return NULL;
}

static void init_parent(struct parent *parent)
{
    struct mr_err err;
    MR_HOLDS(mr_reader_init(&parent->requests, sizeof(struct mr_range_request),
                            offsetof(struct mr_range_request, len), 0, &err) == MR_OK);
    MR_HOLDS(mr_reader_init(&parent->frames, sizeof(struct mr_output_frame),
                            offsetof(struct mr_output_frame, len), MR_FRAME_MAX, &err) == MR_OK);
    MR_HOLDS(mr_reader_init(&parent->records, sizeof(struct mr_status_record),
                            offsetof(struct mr_status_record, len), MR_STATUS_TEXT_MAX, &err) == MR_OK);
}

static void free_parent(struct parent *parent)
{
    mr_reader_free(&parent->requests);
    mr_reader_free(&parent->frames);
    mr_reader_free(&parent->records);
    mr_verdict_free(&parent->verdict);
}

static void open_channel(int *ret_parent, int *ret_child)
{
    int pair[2];
    MR_HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    MR_HOLDS(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    *ret_parent = pair[0];
    *ret_child = pair[1];
}

static void send_replies(int fd, const uint8_t *data, size_t len)
{
    len = len < REPLIES_MAX ? len : REPLIES_MAX;
    MR_HOLDS(len == 0 || send(fd, data, len, 0) == (ssize_t)len);
    shutdown(fd, SHUT_WR);
}

void mr_fuzz_sandbox_child(const uint8_t *data, size_t len)
{
    if (len < 2)
        return;
    size_t spec_len = (size_t)(data[0] | data[1] << 8);
    spec_len = spec_len < len - 2 ? spec_len : len - 2;
    struct parent parent = {0};
    struct mr_sandbox_fds child;
    init_parent(&parent);
    open_channel(&parent.input, &child.input);
    open_channel(&parent.output, &child.output);
    open_channel(&parent.status, &child.status);
    const int fds[] = {parent.input, parent.output, parent.status};
    send_replies(parent.input, data + 2 + spec_len, len - 2 - spec_len);
    pthread_t thread;
    MR_HOLDS(pthread_create(&thread, NULL, run_parent, &parent) == 0);
    MR_AUTO_STR char *spec = mr_fuzz_text(data + 2, spec_len);
    MR_HOLDS(mr_media_run(spec, spec_len, &child) == 0);
    close(child.input);
    close(child.output);
    close(child.status);
    pthread_join(thread, NULL);
    MR_HOLDS(parent.verdict.receipt || parent.verdict.failure.status != MR_OK);
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
    free_parent(&parent);
}
