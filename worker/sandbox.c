#include "worker/sandbox.h"

#include "worker/protocol.h"
#include "worker/sandbox_zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct mr_sandbox {
    pid_t zygote;
    int control; /* the parent's end; a message is sent whole or not at all, so threads need no lock */
};

enum mr_status mr_sandbox_start(mr_sandbox_entry *entry, struct mr_sandbox **ret, struct mr_err *err)
{
    struct mr_sandbox *sandbox = malloc(sizeof *sandbox);
    if (!sandbox)
        return mr_fail_oom(err);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        int errnum = errno;
        free(sandbox);
        return mr_fail_errno(err, MR_EXHAUSTED, errnum, "open the socket to the sandbox");
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        mr_zygote_main(pair[1], parent, entry);
    int errnum = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        free(sandbox);
        return mr_fail_errno(err, MR_EXHAUSTED, errnum, "fork the sandbox");
    }
    *sandbox = (struct mr_sandbox){pid, pair[0]};
    *ret = sandbox;
    return MR_OK;
}

void mr_sandbox_stop(struct mr_sandbox *sandbox)
{
    if (!sandbox)
        return;
    close(sandbox->control);
    while (waitpid(sandbox->zygote, NULL, 0) < 0 && errno == EINTR)
        ;
    free(sandbox);
}

bool mr_sandbox_alive(const struct mr_sandbox *sandbox)
{
    /* The zygote holds the only other end: its death closes the connection. */
    struct pollfd poller = {.fd = sandbox->control};
    int n;
    do
        n = poll(&poller, 1, 0);
    while (n < 0 && errno == EINTR);
    return n == 0;
}

/* The child's ends of one job, closed here once the zygote has its copies. */
struct remote_ends {
    int fds[MR_SPAWN_FDS];
};

static void remote_ends_close(struct remote_ends *ends)
{
    for (size_t i = 0; i < MR_SPAWN_FDS; i++)
        if (ends->fds[i] >= 0)
            close(ends->fds[i]);
}
MR_DEFINE_VALUE_CLEANUP(remote_ends, remote_ends_close)

static bool open_channels(struct mr_sandbox_child *child, struct remote_ends *remote)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    child->input = pair[0], remote->fds[0] = pair[1];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return false;
    child->output = pair[0], remote->fds[1] = pair[1];
    if (pipe2(pair, O_CLOEXEC) < 0)
        return false;
    child->status = pair[0], remote->fds[2] = pair[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    child->lifeline = pair[0], remote->fds[3] = pair[1];

    /* Only the parent's ends: the child's descriptors must block. */
    const int ours[] = {child->input, child->output, child->status, child->lifeline};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (fcntl(ours[i], F_SETFL, fcntl(ours[i], F_GETFL) | O_NONBLOCK) < 0)
            return false;
    return true;
}

static enum mr_status send_request(const struct mr_sandbox *sandbox, const struct mr_spawn_request *request,
                                   const void *spec, size_t len, const struct remote_ends *remote,
                                   struct mr_err *err)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof remote->fds)];
    } ancillary = {.bytes = {0}};
    struct iovec parts[] = {{(void *)(uintptr_t)request, sizeof *request}, {(void *)(uintptr_t)spec, len}};
    struct msghdr message = {
        .msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof ancillary.bytes,
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof remote->fds);
    memcpy(CMSG_DATA(head), remote->fds, sizeof remote->fds);

    ssize_t n;
    do
        n = sendmsg(sandbox->control, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return mr_fail_code(err, MR_CODE_SANDBOX_UNAVAILABLE, "sandbox does not answer: %s",
                            strerrordesc_np(errno));
    return MR_OK;
}

enum mr_status mr_sandbox_spawn(struct mr_sandbox *sandbox, const void *spec, size_t len,
                                const struct mr_sandbox_limits *limits, struct mr_sandbox_child *ret,
                                struct mr_err *err)
{
    if (len > MR_SPEC_MAX)
        return mr_fail(err, MR_INVALID, "spec of the job has %zu bytes: at most %d are allowed", len,
                       MR_SPEC_MAX);
    MR_AUTO(mr_sandbox_child) struct mr_sandbox_child child = MR_SANDBOX_CHILD_NONE;
    /* Declared last, so closed first: without a child nobody else holds the other end of the lifeline. */
    MR_AUTO(remote_ends) struct remote_ends remote = {{-1, -1, -1, -1}};
    if (!open_channels(&child, &remote))
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "open the channels to the sandbox");
    const struct mr_spawn_request request = {limits->memory_mib, limits->cpu_seconds, limits->threads};
    MR_TRY(send_request(sandbox, &request, spec, len, &remote, err));
    *ret = child;
    child = MR_SANDBOX_CHILD_NONE;
    return MR_OK;
}

/* Waits for the exit record or, when the zygote has died, for the end of the stream. */
static void await_exit(int lifeline)
{
    char record[sizeof(struct mr_exit_record)];
    for (;;) {
        ssize_t n = read(lifeline, record, sizeof record);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
        struct pollfd poller = {.fd = lifeline, .events = POLLIN};
        if (n < 0)
            poll(&poller, 1, -1);
    }
}

void mr_sandbox_child_end(struct mr_sandbox_child *child)
{
    if (child->lifeline >= 0) {
        shutdown(child->lifeline, SHUT_WR);
        await_exit(child->lifeline);
    }
    const int fds[] = {child->input, child->output, child->status, child->lifeline};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *child = MR_SANDBOX_CHILD_NONE;
}
