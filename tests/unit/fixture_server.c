#include "tests/unit/fixture_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

enum {
    ANSWER_MAX = 65 << 20,
    CONNECTIONS = 64, /* each has a thread from the start, which takes a sanitizer long */
};

int fixture_server_start(struct fixture_server *server, struct mr_server_options options)
{
    server->log = mr_log_init("test", MR_LOG_DEBUG);
    server->log.fd = open("log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    options.port = 0;
    if (!options.max_connections)
        options.max_connections = CONNECTIONS;
    options.loopback_only = true;
    options.log = &server->log;
    options.log_requests = true;
    return mr_server_start(&options, &server->server, NULL) == MR_OK ? 0 : -1;
}

void fixture_server_stop(struct fixture_server *server)
{
    mr_server_stop(server->server);
    close(server->log.fd);
    unlink("log");
}

int fixture_server_connect(const struct fixture_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)mr_server_port(server->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void send_text(int fd, const char *text)
{
    for (size_t left = strlen(text); left;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        assert_true(n > 0);
        text += n;
        left -= (size_t)n;
    }
}

void answer_free(struct answer *answer)
{
    free(answer->text);
}

bool has_line(const struct answer *answer, const char *line)
{
    const char *end = answer->body;
    for (const char *p = answer->text; p && p < end; p = strstr(p, "\r\n"), p += p ? 2 : 0)
        if (strncmp(p, line, strlen(line)) == 0 && strncmp(p + strlen(line), "\r\n", 2) == 0)
            return true;
    return false;
}

static bool receive(int fd, struct mr_buf *buf, size_t want)
{
    while (buf->len < want) {
        char part[65536];
        size_t ask = want - buf->len < sizeof part ? want - buf->len : sizeof part;
        ssize_t n = recv(fd, part, ask, 0);
        if (n <= 0)
            return false;
        assert_int_equal(mr_buf_append(buf, part, (size_t)n, NULL), MR_OK);
    }
    return true;
}

static bool receive_until(int fd, struct mr_buf *buf, const char *mark)
{
    size_t begin = buf->len, len = strlen(mark);
    while (buf->len < begin + len || memcmp(buf->data + buf->len - len, mark, len) != 0)
        if (!receive(fd, buf, buf->len + 1))
            return false;
    return true;
}

static bool receive_chunks(int fd, struct mr_buf *buf)
{
    for (;;) {
        size_t at = buf->len;
        if (!receive_until(fd, buf, "\r\n"))
            return false;
        size_t size = strtoul(buf->data + at, NULL, 16);
        buf->len = at;
        if (!receive(fd, buf, at + size + 2))
            return false;
        buf->len -= 2;
        if (!size)
            return true;
    }
}

struct answer read_answer(int fd, bool head)
{
    struct mr_buf buf = MR_BUF_INIT(ANSWER_MAX);
    struct answer answer = {0};
    if (receive_until(fd, &buf, "\r\n\r\n")) {
        size_t body = buf.len;
        const char *length = strstr(buf.data, "Content-Length: ");
        bool chunked = strstr(buf.data, "Transfer-Encoding: chunked") != NULL;
        answer.status = (int)strtol(buf.data + strlen("HTTP/1.1 "), NULL, 10);
        if (chunked && !head)
            answer.whole = receive_chunks(fd, &buf);
        else if (length && !head)
            answer.whole = receive(fd, &buf, body + strtoul(length + 16, NULL, 10));
        else
            answer.whole = true;
        answer.body_len = buf.len - body;
        answer.text = mr_buf_take(&buf);
        answer.text[body + answer.body_len] = '\0';
        answer.body = answer.text + body;
    }
    mr_buf_free(&buf);
    return answer;
}

struct answer exchange(const struct fixture_server *server, const char *request)
{
    int fd = fixture_server_connect(server);
    send_text(fd, request);
    struct answer answer = read_answer(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return answer;
}

bool is_at_end(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}
