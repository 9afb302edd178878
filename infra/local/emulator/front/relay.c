#include "infra/local/emulator/front/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { FLOW_BYTES = 16 << 10 };

/* One direction. It reads only when its buffer is empty, so that a slow receiver slows the sender. */
struct flow {
    int from, to;
    bool ended;
    size_t start, len; /* not sent yet: data[start … start+len) */
    char data[FLOW_BYTES];
};

static bool would_block(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* Reads and sends what is possible without waiting; false if the connection is broken. */
static bool advance(struct flow *flow)
{
    if (!flow->ended && flow->len == 0) {
        ssize_t n = recv(flow->from, flow->data, sizeof flow->data, 0);
        if (would_block(n))
            return true;
        if (n < 0)
            return false;
        flow->start = 0;
        flow->len = (size_t)n;
        if (n == 0) {
            flow->ended = true;
            shutdown(flow->to, SHUT_WR);
        }
    }
    if (flow->len > 0) {
        ssize_t n = send(flow->to, flow->data + flow->start, flow->len, MSG_NOSIGNAL);
        if (would_block(n))
            return true;
        if (n < 0)
            return false;
        flow->start += (size_t)n;
        flow->len -= (size_t)n;
    }
    return true;
}

/* The events to wait for on a socket: `out` reads from it, `in` writes to it. poll ignores a negative fd. */
static struct pollfd wanted(int fd, const struct flow *out, const struct flow *in)
{
    short events = (short)((!out->ended && out->len == 0 ? POLLIN : 0) | (in->len > 0 ? POLLOUT : 0));
    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

void em_front_relay(int client, int instance)
{
    struct flow request = {.from = client, .to = instance};
    struct flow answer = {.from = instance, .to = client};
    fcntl(client, F_SETFL, O_NONBLOCK);
    fcntl(instance, F_SETFL, O_NONBLOCK);
    while (!answer.ended) {
        struct pollfd polled[] = {wanted(client, &request, &answer), wanted(instance, &answer, &request)};
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return;
        if (!advance(&request) || !advance(&answer))
            return;
    }
}
