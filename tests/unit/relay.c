#include "tests/unit/relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS_MAX = 256, CHUNK = 64 << 10 };
enum order { NONE, SILENCE, SPEAK, FORGET, CUT, END };

struct pair {
    int ends[2]; /* client, server; -1: closed */
    bool forgotten;
};

struct relay {
    char server[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int port, listener;
    int orders[2]; /* a pipe: one byte each, answered on `done` */
    int done[2];
    pthread_t thread;
    /* The thread's own. */
    bool silent;
    struct pair pairs[PAIRS_MAX];
    int count;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static int connect_to_server(const struct relay *relay)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, relay->server, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "relay: connect");
    return fd;
}

static void take_client(struct relay *relay)
{
    int client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC);
    must(client >= 0 && relay->count < PAIRS_MAX, "relay: accept");
    relay->pairs[relay->count++] = (struct pair){.ends = {client, connect_to_server(relay)}};
}

static void close_pair(struct pair *pair)
{
    for (int i = 0; i < 2; i++)
        if (pair->ends[i] >= 0)
            close(pair->ends[i]);
    pair->ends[0] = pair->ends[1] = -1;
}

static void forward(struct pair *pair, int from)
{
    static char chunk[CHUNK];
    ssize_t len = read(pair->ends[from], chunk, sizeof chunk);
    for (ssize_t sent = 0; sent < len;) {
        ssize_t n = send(pair->ends[!from], chunk + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (n <= 0)
            len = -1;
        sent += n;
    }
    if (len <= 0)
        close_pair(pair);
}

static bool obey(struct relay *relay)
{
    char order = NONE;
    must(read(relay->orders[0], &order, 1) == 1, "relay: read an order");
    if (order == SILENCE || order == SPEAK)
        relay->silent = order == SILENCE;
    for (int i = 0; i < relay->count; i++) {
        if (order == FORGET)
            relay->pairs[i].forgotten = true;
        if (order == CUT || order == END)
            close_pair(&relay->pairs[i]);
    }
    must(write(relay->done[1], &order, 1) == 1, "relay: answer an order");
    return order != END;
}

static void *run(void *arg)
{
    struct relay *relay = arg;
    for (;;) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = {
            {.fd = relay->orders[0], .events = POLLIN},
            {.fd = relay->silent ? -1 : relay->listener, .events = POLLIN}};
        const int count = relay->count;
        for (int i = 0; i < 2 * count; i++) {
            const struct pair *pair = &relay->pairs[i / 2];
            fds[2 + i] = (struct pollfd){.fd = relay->silent || pair->forgotten ? -1 : pair->ends[i % 2],
                                         .events = POLLIN};
        }
        poll(fds, (nfds_t)(2 + 2 * count), -1);
        if (fds[0].revents && !obey(relay))
            return NULL;
        if (fds[0].revents)
            continue; /* what was seen before the order does not count */
        if (fds[1].revents)
            take_client(relay);
        for (int i = 0; i < 2 * count; i++)
            if (fds[2 + i].revents && relay->pairs[i / 2].ends[i % 2] >= 0)
                forward(&relay->pairs[i / 2], i % 2);
    }
}

struct relay *relay_start(void)
{
    struct relay *relay = calloc(1, sizeof *relay);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    char sockets[sizeof relay->server - 20];
    const char *server = getenv("TEST_DATABASE");
    must(relay && server && sscanf(server, "host=%87s", sockets) == 1, "relay: TEST_DATABASE");
    snprintf(relay->server, sizeof relay->server, "%s/.s.PGSQL.5432", sockets);
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(relay->listener, (struct sockaddr *)&address, len) == 0 && listen(relay->listener, 64) == 0 &&
             getsockname(relay->listener, (struct sockaddr *)&address, &len) == 0,
         "relay: listen");
    relay->port = ntohs(address.sin_port);
    must(pipe(relay->orders) == 0 && pipe(relay->done) == 0, "relay: pipe");
    must(pthread_create(&relay->thread, NULL, run, relay) == 0, "relay: thread");
    return relay;
}

static void give_order(struct relay *relay, char order)
{
    char answer = NONE;
    must(write(relay->orders[1], &order, 1) == 1 && read(relay->done[0], &answer, 1) == 1 && answer == order,
         "relay: order");
}

void relay_stop(struct relay *relay)
{
    give_order(relay, END);
    pthread_join(relay->thread, NULL);
    for (int i = 0; i < 2; i++) {
        close(relay->orders[i]);
        close(relay->done[i]);
    }
    close(relay->listener);
    free(relay);
}

char *relay_conninfo(const struct relay *relay, const char *conninfo)
{
    char *text = NULL; /* of two equal keywords the later one holds */
    must(asprintf(&text, "%s host=127.0.0.1 port=%d sslmode=disable gssencmode=disable", conninfo,
                  relay->port) > 0,
         "relay: conninfo");
    return text;
}

void relay_silence(struct relay *relay, bool silent)
{
    give_order(relay, silent ? SILENCE : SPEAK);
}

void relay_forget(struct relay *relay)
{
    give_order(relay, FORGET);
}

void relay_cut(struct relay *relay)
{
    give_order(relay, CUT);
}
