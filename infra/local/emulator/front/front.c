#include "infra/local/emulator/front/front.h"

#include "infra/local/emulator/front/relay.h"
#include "shared/base/cleanup.h"
#include "shared/base/encoding.h"
#include "shared/base/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

enum { BACKENDS_MAX = 64, SPEC_MAX = 4000, BACKLOG = 256 };

struct backend {
    struct sockaddr_in address;
    int connections;
};

struct connection {
    struct front *front;
    int client;
    int instance; /* -1 until connected */
    LIST_ENTRY(connection) entry;
};

struct front {
    int port;
    size_t count;
    struct backend backends[BACKENDS_MAX]; /* .connections is protected by lock */
    pthread_mutex_t lock;
    pthread_cond_t none_left;
    LIST_HEAD(connections, connection) connections; /* protected by lock; so is each one's .instance */
    size_t next;   /* where the search for a backend starts; protected by lock */
    bool stopping; /* protected by lock */
};

/* Parses "ADDRESS:PORT"; changes text. */
static bool parse_backend(char *text, struct backend *ret)
{
    char *colon = strrchr(text, ':');
    int64_t port = 0;
    if (!colon || !mr_parse_int64(colon + 1, 1, UINT16_MAX, &port))
        return false;
    *colon = '\0';
    ret->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, text, &ret->address.sin_addr) == 1;
}

static enum mr_status parse_spec(const char *spec, struct front *front, struct mr_err *err)
{
    MR_AUTO_STR char *copy = strndup(spec, SPEC_MAX);
    if (!copy)
        return mr_fail_oom(err);
    char *rest = strchr(copy, '=');
    int64_t port = 0;
    if (rest)
        *rest++ = '\0';
    if (!rest || !mr_parse_int64(copy, 1, UINT16_MAX, &port))
        return mr_fail(err, MR_INVALID, "--front must be PORT=ADDRESS:PORT,…, not '%s'", spec);
    front->port = (int)port;
    char *saved = NULL;
    for (char *one = strtok_r(rest, ",", &saved); one; one = strtok_r(NULL, ",", &saved)) {
        if (front->count == BACKENDS_MAX)
            return mr_fail(err, MR_INVALID, "--front has more than %d instances", BACKENDS_MAX);
        if (!parse_backend(one, &front->backends[front->count++]))
            return mr_fail(err, MR_INVALID, "--front has '%s' where ADDRESS:PORT is expected", one);
    }
    return front->count ? MR_OK : mr_fail(err, MR_INVALID, "--front has no instance");
}

static enum mr_status open_listener(int port, int *ret_fd, struct mr_err *err)
{
    MR_AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "socket");
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "port %d", port);
    *ret_fd = fd;
    fd = -1;
    return MR_OK;
}

/* Takes the backend with the fewest connections that is not in `tried`, and counts the new one; -1 if none is left. */
static int take_backend(struct front *front, uint64_t tried)
{
    int best = -1;
    pthread_mutex_lock(&front->lock);
    for (size_t i = 0; i < front->count; i++) {
        size_t at = (front->next + i) % front->count;
        if (tried & (UINT64_C(1) << at))
            continue;
        if (best < 0 || front->backends[at].connections < front->backends[best].connections)
            best = (int)at;
    }
    if (best >= 0) {
        front->backends[best].connections++;
        front->next = ((size_t)best + 1) % front->count;
    }
    pthread_mutex_unlock(&front->lock);
    return best;
}

static void release_backend(struct front *front, int backend)
{
    pthread_mutex_lock(&front->lock);
    front->backends[backend].connections--;
    pthread_mutex_unlock(&front->lock);
}

static int connect_to(const struct backend *backend)
{
    MR_AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&backend->address, sizeof backend->address) != 0)
        return -1;
    int connected = fd;
    fd = -1;
    return connected;
}

/* Connects to the least busy backend that accepts; *ret_backend is its index. -1 if none accepts. */
static int connect_any(struct front *front, int *ret_backend)
{
    uint64_t tried = 0;
    int backend;
    while ((backend = take_backend(front, tried)) >= 0) {
        int fd = connect_to(&front->backends[backend]);
        if (fd >= 0) {
            *ret_backend = backend;
            return fd;
        }
        release_backend(front, backend);
        tried |= UINT64_C(1) << backend;
    }
    return -1;
}

/* Makes the instance's socket known to stop_all; false if stop_all has already run. */
static bool publish_instance(struct connection *connection, int instance)
{
    struct front *front = connection->front;
    pthread_mutex_lock(&front->lock);
    bool go_on = !front->stopping;
    connection->instance = instance;
    pthread_mutex_unlock(&front->lock);
    return go_on;
}

static void leave(struct connection *connection)
{
    struct front *front = connection->front;
    pthread_mutex_lock(&front->lock);
    LIST_REMOVE(connection, entry);
    if (LIST_EMPTY(&front->connections))
        pthread_cond_signal(&front->none_left);
    pthread_mutex_unlock(&front->lock);
    close(connection->client);
    if (connection->instance >= 0)
        close(connection->instance);
    free(connection);
}

static void *serve_connection(void *arg)
{
    struct connection *connection = arg;
    int backend = -1;
    int instance = connect_any(connection->front, &backend);
    if (instance >= 0 && publish_instance(connection, instance))
        em_front_relay(connection->client, instance);
    if (backend >= 0)
        release_backend(connection->front, backend);
    leave(connection);
    return NULL;
}

static void begin_connection(struct front *front, int client)
{
    struct connection *connection = malloc(sizeof *connection);
    if (!connection) {
        close(client);
        return;
    }
    *connection = (struct connection){.front = front, .client = client, .instance = -1};
    pthread_mutex_lock(&front->lock);
    LIST_INSERT_HEAD(&front->connections, connection, entry);
    pthread_mutex_unlock(&front->lock);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_connection, connection) == 0)
        pthread_detach(thread);
    else
        leave(connection);
}

/* Ends all connections and waits for their threads. */
static void stop_all(struct front *front)
{
    struct connection *connection;
    pthread_mutex_lock(&front->lock);
    front->stopping = true;
    LIST_FOREACH(connection, &front->connections, entry)
    {
        shutdown(connection->client, SHUT_RDWR);
        if (connection->instance >= 0)
            shutdown(connection->instance, SHUT_RDWR);
    }
    while (!LIST_EMPTY(&front->connections))
        pthread_cond_wait(&front->none_left, &front->lock);
    pthread_mutex_unlock(&front->lock);
}

static enum mr_status accept_until_signal(struct front *front, int listener, int signals, struct mr_err *err)
{
    while (true) {
        struct pollfd polled[] = {{.fd = listener, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return mr_fail_errno(err, MR_INTERNAL, errno, "poll");
        if (polled[1].revents)
            return MR_OK;
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            begin_connection(front, client);
    }
}

enum mr_status em_front_run(const char *spec, struct mr_err *err)
{
    struct front front = {.lock = PTHREAD_MUTEX_INITIALIZER, .none_left = PTHREAD_COND_INITIALIZER};
    MR_AUTO_FD int listener = -1;
    MR_TRY(parse_spec(spec, &front, err));
    MR_TRY(open_listener(front.port, &listener, err));
    sigset_t ending;
    mr_process_prepare(&ending);
    MR_AUTO_FD int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (signals < 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "signalfd");
    printf("front listening on 127.0.0.1:%d\n", front.port);
    fflush(stdout);
    enum mr_status status = accept_until_signal(&front, listener, signals, err);
    stop_all(&front);
    return status;
}
