/* Detached answers: streams that outlive their handler, their thread, and the server. */
#include "shared/base/clock.h"
#include "tests/unit/fixture_server.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { THREADS = 4, STREAMS = 400, CLIENT_TIMEOUT_MS = 200 };

struct app {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int fds[STREAMS]; /* handed out so far; or requests that were parked */
    struct mr_parked *parked[STREAMS];
    size_t count;
};

struct fixture {
    struct app app;
    struct fixture_server http;
};

static enum mr_status detach(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct app *app = ctx;
    int fd = -1;
    enum mr_status status = mr_respond_header(req, "Cache-Control", "no-cache", err);
    if (status == MR_OK)
        status = mr_respond_detach(req, 200, "text/event-stream", &fd, err);
    if (status != MR_OK || fd < 0)
        return status;
    pthread_mutex_lock(&app->lock);
    app->fds[app->count++] = fd;
    pthread_cond_signal(&app->changed);
    pthread_mutex_unlock(&app->lock);
    return MR_OK;
}

static enum mr_status park(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct app *app = ctx;
    struct mr_parked *parked = NULL;
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(1000);
    MR_TRY(mr_request_body(req, &body, err));
    MR_TRY(mr_request_park(req, &parked, err));
    pthread_mutex_lock(&app->lock);
    app->parked[app->count++] = parked;
    pthread_cond_signal(&app->changed);
    pthread_mutex_unlock(&app->lock);
    return MR_OK;
}

static enum mr_status answer_and_park(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    struct mr_parked *parked = NULL;
    enum mr_status status = mr_respond_empty(req, 204, err);
    if (status == MR_OK)
        assert_int_equal(mr_request_park(req, &parked, err), MR_INTERNAL);
    assert_null(parked);
    return status;
}

static enum mr_status answer_twice(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    int fd = -1;
    enum mr_status status = mr_respond_empty(req, 204, err);
    if (status == MR_OK)
        assert_int_equal(mr_respond_detach(req, 200, "text/plain", &fd, err), MR_INTERNAL);
    assert_int_equal(fd, -1);
    return status;
}

static enum mr_status plain(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    return mr_respond_bytes(req, 200, "text/plain", "plain", 5, err);
}

static const struct mr_route routes[] = {
    {"GET", "/stream", detach, 0, 0}, {"GET", "/twice", answer_twice, 0, 0},
    {"POST", "/park", park, 1000, 0}, {"GET", "/answered", answer_and_park, 0, 0},
    {"GET", "/plain", plain, 0, 0},
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    pthread_mutex_init(&fixture->app.lock, NULL);
    pthread_cond_init(&fixture->app.changed, NULL);
    *state = fixture;
    return fixture_server_start(&fixture->http, (struct mr_server_options){
                                                    .threads = THREADS,
                                                    .max_head = 4096,
                                                    .client_timeout_ms = CLIENT_TIMEOUT_MS,
                                                    .routes = routes,
                                                    .route_count = sizeof routes / sizeof *routes,
                                                    .app = &fixture->app,
                                                });
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture_server_stop(&fixture->http);
    pthread_mutex_destroy(&fixture->app.lock);
    pthread_cond_destroy(&fixture->app.changed);
    free(fixture);
    return 0;
}

static int ask(const struct fixture *fixture, const char *request)
{
    int fd = fixture_server_connect(&fixture->http);
    send_text(fd, request);
    return fd;
}

/* Reads until the text ends with `mark`, or to the end of the stream with NULL. */
static void read_until(int fd, const char *mark, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    while (!mark || len < strlen(mark) || strcmp(text + len - strlen(mark), mark) != 0) {
        ssize_t n = recv(fd, text + len, 1, 0);
        if (n == 0 && !mark)
            return;
        assert_int_equal(n, 1);
        assert_true(++len < size);
        text[len] = '\0';
    }
}

static void wait_for_streams(struct app *app, size_t count)
{
    pthread_mutex_lock(&app->lock);
    while (app->count < count)
        pthread_cond_wait(&app->changed, &app->lock);
    pthread_mutex_unlock(&app->lock);
}

/* A stream whose head has arrived; the server's end is *ret_fd. */
static int open_stream(struct fixture *fixture, int *ret_fd)
{
    char head[1000];
    size_t before = fixture->app.count;
    int client = ask(fixture, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    read_until(client, "\r\n\r\n", head, sizeof head);
    assert_non_null(strstr(head, "HTTP/1.1 200 OK\r\n"));
    wait_for_streams(&fixture->app, before + 1);
    *ret_fd = fixture->app.fds[before];
    return client;
}

static void assert_plain_works(const struct fixture *fixture)
{
    char text[1000];
    int fd = ask(fixture, "GET /plain HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    read_until(fd, NULL, text, sizeof text);
    assert_non_null(strstr(text, "\r\n\r\nplain"));
    close(fd);
}

static void assert_carries(int server_end, int client, const char *line)
{
    char text[100];
    assert_int_equal(send(server_end, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
    read_until(client, "\n", text, sizeof text);
    assert_string_equal(text, line);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void the_head_has_no_framing(void **state)
{
    struct fixture *fixture = *state;
    static const char *const requests[] = {"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
                                           "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char text[1000];
        int client = ask(fixture, requests[i]);
        wait_for_streams(&fixture->app, i + 1);
        assert_int_equal(send(fixture->app.fds[i], "body", 4, MSG_NOSIGNAL), 4);
        close(fixture->app.fds[i]);
        read_until(client, NULL, text, sizeof text);
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(text, "\r\nContent-Type: text/event-stream\r\n"));
        assert_non_null(strstr(text, "\r\nCache-Control: no-cache\r\n"));
        assert_null(strstr(text, "Content-Length"));
        assert_null(strstr(text, "Transfer-Encoding"));
        assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nbody");
        close(client);
    }
}

static void head_and_second_answers_detach_nothing(void **state)
{
    struct fixture *fixture = *state;
    static const char *const requests[] = {"HEAD /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                                           "GET /twice HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char text[1000];
        int client = ask(fixture, requests[i]);
        read_until(client, NULL, text, sizeof text);
        assert_non_null(strstr(text, "HTTP/1.1 20"));
        assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
        close(client);
    }
    assert_int_equal(fixture->app.count, 0);
}

static void streams_hold_no_threads(void **state)
{
    struct fixture *fixture = *state;
    int clients[STREAMS], ends[STREAMS];
    assert_plain_works(fixture);
    for (size_t i = 0; i < STREAMS; i++) {
        clients[i] = open_stream(fixture, &ends[i]);
        if (i % 20 == 0)
            assert_plain_works(fixture);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        char line[32];
        snprintf(line, sizeof line, "stream %zu\n", i);
        assert_carries(ends[i], clients[i], line);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        char rest[8];
        close(ends[i]);
        read_until(clients[i], NULL, rest, sizeof rest);
        assert_string_equal(rest, "");
        close(clients[i]);
    }
    assert_plain_works(fixture);
}

static void a_client_that_leaves_is_seen(void **state)
{
    struct fixture *fixture = *state;
    int end = -1;
    int client = open_stream(fixture, &end);
    close(client);
    struct pollfd gone = {.fd = end, .events = POLLRDHUP};
    assert_int_equal(poll(&gone, 1, PATIENCE_MS), 1);
    close(end);
    assert_plain_works(fixture);
}

/* The watchdog of slow clients and the keep-alive time-out have forgotten the socket. */
static void silence_is_no_time_out(void **state)
{
    struct fixture *fixture = *state;
    int end = -1;
    int client = open_stream(fixture, &end);
    struct pollfd silent = {.fd = client, .events = POLLIN | POLLRDHUP};
    assert_int_equal(poll(&silent, 1, 3 * CLIENT_TIMEOUT_MS), 0);
    assert_carries(end, client, "still here\n");
    close(end);
    close(client);
}

static void drain_and_stop_leave_streams_alone(void **state)
{
    struct fixture *fixture = *state;
    int end = -1;
    int client = open_stream(fixture, &end);
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    assert_carries(end, client, "drained\n");
    mr_server_stop(MR_TAKE(fixture->http.server));
    assert_carries(end, client, "stopped\n");
    close(end);
    close(client);
}

static void *open_many(void *arg)
{
    struct fixture *fixture = arg;
    for (int i = 0; i < 50; i++) {
        char status[32];
        int client = ask(fixture, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
        read_until(client, "\r\n", status, sizeof status);
        close(client);
    }
    return NULL;
}

/* Clients that ask and leave at once, in parallel: nothing is left open, and nobody's descriptor is hit. */
static void no_descriptor_is_lost(void **state)
{
    struct fixture *fixture = *state;
    assert_plain_works(fixture);
    size_t before = open_descriptors();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_many, fixture), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    wait_for_streams(&fixture->app, 4 * 50);
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    for (size_t i = 0; i < fixture->app.count; i++)
        assert_int_equal(close(fixture->app.fds[i]), 0);
    mr_server_stop(MR_TAKE(fixture->http.server));
    assert_true(open_descriptors() <= before);
}

/* On a connection that is known already, because looking for its socket takes a descriptor as well. */
static void without_descriptors_the_answer_is_429(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit limit, low;
    char text[1000];
    int client = ask(fixture, "GET /plain HTTP/1.1\r\nHost: h\r\n\r\n");
    read_until(client, "plain", text, sizeof text); /* of Content-Type */
    read_until(client, "plain", text, sizeof text);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    const char *request = "GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_int_equal(send(client, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    read_until(client, NULL, text, sizeof text);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(strstr(text, "HTTP/1.1 429 "));
    assert_int_equal(fixture->app.count, 0);
    close(client);
}

static void few_descriptors_are_enough(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit limit, low;
    int end = -1;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 512;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int client = open_stream(fixture, &end);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(end < 512);
    assert_carries(end, client, "low\n");
    close(end);
    close(client);
}

static void requests_are_logged_whole(void **state)
{
    struct fixture *fixture = *state;
    int end = -1;
    int client = open_stream(fixture, &end);
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    char log[4096] = "";
    assert_true(pread(fixture->http.log.fd, log, sizeof log - 1, 0) > 0);
    assert_non_null(strstr(log, "GET 200"));
    assert_non_null(strstr(log, "\"cut_off\":false"));
    close(end);
    close(client);
}

/* Sends a request that is parked, as the count'th. */
static int park_one(struct fixture *fixture, size_t count)
{
    int client = ask(fixture, "POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    wait_for_streams(&fixture->app, count);
    return client;
}

/* In any order, from another thread than the handler's; each gets its own status and the end of its connection. */
static void parked_requests_hold_no_threads(void **state)
{
    struct fixture *fixture = *state;
    static const int statuses[] = {204, 429, 503};
    int clients[STREAMS];
    for (size_t i = 0; i < STREAMS; i++)
        clients[i] = park_one(fixture, i + 1);
    assert_plain_works(fixture);
    for (size_t i = STREAMS; i-- > 0;)
        mr_parked_answer(fixture->app.parked[i], statuses[i % 3]);
    for (size_t i = 0; i < STREAMS; i++) {
        char text[1000], line[40];
        snprintf(line, sizeof line, "HTTP/1.1 %d ", statuses[i % 3]);
        read_until(clients[i], NULL, text, sizeof text);
        assert_ptr_equal(strstr(text, line), text);
        assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
        assert_int_equal(strstr(text, "\r\nContent-Length: 0\r\n") != NULL, statuses[i % 3] != 204);
        assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
        close(clients[i]);
    }
}

static void parked_requests_outlive_the_server(void **state)
{
    struct fixture *fixture = *state;
    char text[1000];
    int client = park_one(fixture, 1);
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    mr_server_stop(MR_TAKE(fixture->http.server));
    assert_false(mr_parked_is_gone(fixture->app.parked[0]));
    mr_parked_answer(fixture->app.parked[0], 204);
    read_until(client, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 204 No Content\r\n"));
    close(client);
}

static void parked_clients_that_leave_are_seen(void **state)
{
    struct fixture *fixture = *state;
    int client = park_one(fixture, 1);
    struct mr_parked *parked = fixture->app.parked[0];
    assert_false(mr_parked_is_gone(parked));
    close(client);
    for (int64_t end = mr_time_monotonic_us() + PATIENCE_MS * 1000; !mr_parked_is_gone(parked);)
        assert_true(mr_time_monotonic_us() < end);
    mr_parked_answer(parked, 429);
}

/* Once, when it is answered, with what it was answered. */
static void parked_requests_are_logged(void **state)
{
    struct fixture *fixture = *state;
    char log[4096] = "";
    int client = park_one(fixture, 1);
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    assert_true(pread(fixture->http.log.fd, log, sizeof log - 1, 0) >= 0);
    assert_null(strstr(log, "POST"));
    mr_parked_answer(fixture->app.parked[0], 503);
    assert_true(pread(fixture->http.log.fd, log, sizeof log - 1, 0) > 0);
    assert_non_null(strstr(log, "POST 503"));
    assert_non_null(strstr(log, "\"path\":\"/park\""));
    assert_non_null(strstr(log, "\"request_bytes\":4"));
    assert_non_null(strstr(log, "\"cut_off\":false"));
    close(client);
}

static void an_answered_request_is_not_parked(void **state)
{
    struct fixture *fixture = *state;
    char text[1000];
    int client = ask(fixture, "GET /answered HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    read_until(client, NULL, text, sizeof text);
    assert_non_null(strstr(text, "HTTP/1.1 204 "));
    close(client);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_head_has_no_framing),
        TEST(head_and_second_answers_detach_nothing),
        TEST(streams_hold_no_threads),
        TEST(a_client_that_leaves_is_seen),
        TEST(silence_is_no_time_out),
        TEST(drain_and_stop_leave_streams_alone),
        TEST(no_descriptor_is_lost),
        TEST(without_descriptors_the_answer_is_429),
        TEST(few_descriptors_are_enough),
        TEST(requests_are_logged_whole),
        TEST(parked_requests_hold_no_threads),
        TEST(parked_requests_outlive_the_server),
        TEST(parked_clients_that_leave_are_seen),
        TEST(parked_requests_are_logged),
        TEST(an_answered_request_is_not_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
