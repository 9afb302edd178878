#include "tests/unit/fake_http.h"
#include "shared/base/buf.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { MAX_CONNECTIONS = 64, MAX_REQUESTS = 256, MAX_MESSAGE = 64 * 1024 * 1024 };

struct connection {
    int fd;
    struct mr_buf in; /* received, not yet answered */
};

struct fake_http {
    pthread_t thread;
    int listener, stop;
    int port;
    char url[64];
    struct connection connections[MAX_CONNECTIONS];
    size_t connection_count;
    pthread_mutex_t lock; /* protects all below */
    struct scripted {
        char *answer; /* rendered, head and body */
        size_t answer_len, head_len;
        enum fake_end end;
    } * script;
    size_t step_count, next_step;
    bool repeat;
    struct {
        char *head, *body;
        size_t body_len;
    } requests[MAX_REQUESTS];
    size_t request_count;
};

static const struct fake_step unexpected = {.status = 599, .body = "the script is at its end"};

static struct scripted render(const struct fake_step *step)
{
    struct scripted made = {.end = step->end};
    if (!step->status)
        return made;
    size_t body_len = step->body_len ? step->body_len : step->body ? strlen(step->body) : 0;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(MAX_MESSAGE);
    enum mr_status status = mr_buf_appendf(&text, NULL, "HTTP/1.1 %d Fake\r\n%s", step->status,
                                           step->headers ? step->headers : "");
    if (status == MR_OK && step->status != 204)
        status = mr_buf_appendf(&text, NULL, "Content-Length: %zu\r\n",
                                step->announced ? step->announced : body_len);
    if (status == MR_OK)
        status = mr_buf_append_str(&text, "\r\n", NULL);
    made.head_len = text.len;
    if (status == MR_OK)
        status = mr_buf_append(&text, step->body ? step->body : "", body_len, NULL);
    assert_int_equal(status, MR_OK);
    made.answer_len = text.len;
    made.answer = mr_buf_take(&text);
    return made;
}

/* The next step, as a copy of the caller's: the script may be replaced while it is sent. */
static struct scripted next_step_locked(struct fake_http *fake)
{
    if (fake->next_step >= fake->step_count && !fake->repeat)
        return render(&unexpected);
    struct scripted step = fake->script[fake->step_count - 1];
    if (fake->next_step < fake->step_count)
        step = fake->script[fake->next_step++];
    char *copy = malloc(step.answer_len + 1);
    if (step.answer_len)
        memcpy(copy, step.answer, step.answer_len);
    step.answer = copy;
    return step;
}

static struct scripted record(struct fake_http *fake, const char *in, size_t head_len, size_t len)
{
    pthread_mutex_lock(&fake->lock);
    assert_true(fake->request_count < MAX_REQUESTS);
    size_t i = fake->request_count++;
    fake->requests[i].head = strndup(in, head_len);
    fake->requests[i].body = malloc(len - head_len + 1);
    memcpy(fake->requests[i].body, in + head_len, len - head_len);
    fake->requests[i].body[len - head_len] = '\0';
    fake->requests[i].body_len = len - head_len;
    struct scripted step = next_step_locked(fake);
    pthread_mutex_unlock(&fake->lock);
    return step;
}

/* The length of a whole request at the start of `in`, or 0 if more has to come. */
static size_t whole_request(const struct mr_buf *in, size_t *ret_head_len)
{
    const char *text = mr_buf_str(in);
    const char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head_len = (size_t)(end - text) + 4;
    *ret_head_len = head_len;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    if (length && length < end) {
        size_t total = head_len + strtoul(length + 17, NULL, 10);
        return in->len >= total ? total : 0;
    }
    const char *chunked = strcasestr(text, "\r\nTransfer-Encoding: chunked");
    if (chunked && chunked < end)
        return in->len >= 5 && memcmp(in->data + in->len - 5, "0\r\n\r\n", 5) == 0 ? in->len : 0;
    return head_len;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void reset_on_close(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void drip(int fd)
{
    enum { BYTES_MAX = 1000, PAUSE_MS = 50 };
    for (int i = 0; i < BYTES_MAX; i++) {
        struct pollfd client = {.fd = fd, .events = POLLIN};
        if (poll(&client, 1, PAUSE_MS) != 0 || send(fd, "x", 1, MSG_NOSIGNAL) != 1)
            return;
    }
}

/* Answers what is complete; false when the connection is to be closed. */
static bool serve(struct fake_http *fake, struct connection *c)
{
    size_t head_len = 0, len;
    while ((len = whole_request(&c->in, &head_len)) > 0) {
        bool head_only = memcmp(c->in.data, "HEAD ", 5) == 0;
        struct scripted step = record(fake, c->in.data, head_len, len);
        mr_buf_consume(&c->in, len);
        send_all(c->fd, step.answer, head_only ? step.head_len : step.answer_len);
        free(step.answer);
        if (step.end == FAKE_RESET)
            reset_on_close(c->fd);
        if (step.end == FAKE_DRIP)
            drip(c->fd);
        if (step.end != FAKE_KEEP)
            return false;
    }
    return true;
}

static bool receive(struct fake_http *fake, struct connection *c)
{
    enum { CHUNK = 256 * 1024 };
    MR_AUTO_STR char *chunk = malloc(CHUNK);
    ssize_t n = chunk ? recv(c->fd, chunk, CHUNK, 0) : -1;
    return n > 0 && mr_buf_append(&c->in, chunk, (size_t)n, NULL) == MR_OK && serve(fake, c);
}

static void drop(struct fake_http *fake, size_t i)
{
    close(fake->connections[i].fd);
    mr_buf_free(&fake->connections[i].in);
    fake->connections[i] = fake->connections[--fake->connection_count];
}

static void *run(void *ctx)
{
    struct fake_http *fake = ctx;
    for (;;) {
        struct pollfd fds[MAX_CONNECTIONS + 2] = {{.fd = fake->stop, .events = POLLIN},
                                                  {.fd = fake->listener, .events = POLLIN}};
        for (size_t i = 0; i < fake->connection_count; i++)
            fds[i + 2] = (struct pollfd){.fd = fake->connections[i].fd, .events = POLLIN};
        poll(fds, fake->connection_count + 2, -1);
        if (fds[0].revents)
            break;
        for (size_t i = fake->connection_count; i-- > 0;)
            if (fds[i + 2].revents && !receive(fake, &fake->connections[i]))
                drop(fake, i);
        if (fds[1].revents && fake->connection_count < MAX_CONNECTIONS)
            fake->connections[fake->connection_count++] =
                (struct connection){.fd = accept(fake->listener, NULL, NULL), .in = MR_BUF_INIT(MAX_MESSAGE)};
    }
    while (fake->connection_count)
        drop(fake, 0);
    return NULL;
}

static int listen_on_free_port(int *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    socklen_t len = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

struct fake_http *fake_http_start(void)
{
    struct fake_http *fake = calloc(1, sizeof *fake);
    assert_non_null(fake);
    fake->listener = listen_on_free_port(&fake->port);
    assert_int_equal(listen(fake->listener, 64), 0);
    fake->stop = eventfd(0, EFD_CLOEXEC);
    assert_true(fake->stop >= 0);
    snprintf(fake->url, sizeof fake->url, "http://127.0.0.1:%d", fake->port);
    pthread_mutex_init(&fake->lock, NULL);
    assert_int_equal(pthread_create(&fake->thread, NULL, run, fake), 0);
    return fake;
}

static void forget_locked(struct fake_http *fake)
{
    for (size_t i = 0; i < fake->request_count; i++) {
        free(fake->requests[i].head);
        free(fake->requests[i].body);
    }
    for (size_t i = 0; i < fake->step_count; i++)
        free(fake->script[i].answer);
    free(fake->script);
    fake->script = NULL;
    fake->request_count = fake->step_count = fake->next_step = 0;
}

void fake_http_stop(struct fake_http *fake)
{
    if (!fake)
        return;
    eventfd_write(fake->stop, 1);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    close(fake->stop);
    forget_locked(fake);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

int fake_http_port(const struct fake_http *fake)
{
    return fake->port;
}

const char *fake_http_url(const struct fake_http *fake)
{
    return fake->url;
}

void fake_http_script(struct fake_http *fake, const struct fake_step *steps, size_t count, bool repeat)
{
    pthread_mutex_lock(&fake->lock);
    forget_locked(fake);
    fake->script = calloc(count + 1, sizeof *fake->script);
    assert_non_null(fake->script);
    for (size_t i = 0; i < count; i++)
        fake->script[i] = render(&steps[i]);
    fake->step_count = count;
    fake->repeat = repeat && count;
    pthread_mutex_unlock(&fake->lock);
}

size_t fake_http_count(struct fake_http *fake)
{
    pthread_mutex_lock(&fake->lock);
    size_t count = fake->request_count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

const char *fake_http_head(struct fake_http *fake, size_t i)
{
    assert_true(i < fake_http_count(fake));
    return fake->requests[i].head;
}

const char *fake_http_body(struct fake_http *fake, size_t i, size_t *ret_len)
{
    assert_true(i < fake_http_count(fake));
    if (ret_len)
        *ret_len = fake->requests[i].body_len;
    return fake->requests[i].body;
}

bool fake_http_has_line(struct fake_http *fake, size_t i, const char *line)
{
    const char *head = fake_http_head(fake, i);
    size_t len = strlen(line);
    for (const char *at = head; *at; at = strstr(at, "\r\n") + 2)
        if (strncmp(at, line, len) == 0 && strncmp(at + len, "\r\n", 2) == 0)
            return true;
    print_error("no line \"%s\" in\n%s", line, head);
    return false;
}

int fake_closed_port(void)
{
    int port = 0;
    close(listen_on_free_port(&port));
    return port;
}
