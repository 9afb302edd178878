#include "web/event_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
    SEND_BUFFER =
        64 << 10,       /* kernel memory for a client that does not read; the default grows to megabytes */
    SILENCE_MS = 30000, /* without an acknowledged byte, until the client counts as gone */
    SCRAP_MAX = 64 << 10,
};

/* Reads and drops what the client has sent: closing a socket with unread input resets the connection, and the
 * client would lose what it has not read yet. */
static void drop_input(int fd)
{
    char scrap[4096];
    for (ssize_t left = SCRAP_MAX, n; left > 0; left -= n)
        if ((n = recv(fd, scrap, sizeof scrap, MSG_DONTWAIT)) <= 0)
            return;
}

void mr_event_stream_free(struct mr_event_stream *stream)
{
    if (!stream)
        return;
    if (stream->fd >= 0) {
        drop_input(stream->fd);
        close(stream->fd);
    }
    mr_buf_free(&stream->queue);
    free(stream);
}

void mr_event_stream_take_socket(struct mr_event_stream *stream, int fd)
{
    static const int buffer = SEND_BUFFER, silence = SILENCE_MS;
    stream->fd = fd;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
}

void mr_event_stream_cut(struct mr_event_stream *stream)
{
    if (stream->over || stream->fd < 0)
        return;
    stream->ending = stream->over = true;
    mr_buf_free(&stream->queue);
    shutdown(stream->fd, SHUT_RDWR);
}

void mr_event_stream_end(struct mr_event_stream *stream)
{
    stream->ending = true;
    if (stream->queue.len == 0)
        mr_event_stream_cut(stream);
}

void mr_event_stream_flush(struct mr_event_stream *stream)
{
    size_t sent = 0;
    while (!stream->over && sent < stream->queue.len) {
        ssize_t n = send(stream->fd, stream->queue.data + sent, stream->queue.len - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            break;
        else if (n == 0 || errno != EINTR)
            mr_event_stream_cut(stream);
    }
    if (stream->over)
        return;
    stream->moved |= sent > 0;
    if (sent == stream->queue.len)
        mr_buf_free(&stream->queue); /* most streams are idle most of the time */
    else
        mr_buf_consume(&stream->queue, sent);
    if (stream->ending && stream->queue.len == 0)
        mr_event_stream_cut(stream);
}

void mr_event_stream_push(struct mr_event_stream *stream, const char *text, size_t len)
{
    if (stream->ending)
        return;
    if (mr_buf_append(&stream->queue, text, len, NULL) == MR_OK)
        mr_event_stream_flush(stream);
    else
        mr_event_stream_cut(stream);
}

void mr_event_stream_send(struct mr_event_stream *stream, int64_t event_id, const struct mr_buf *text)
{
    if (stream->ending)
        return;
    if (event_id > stream->seen)
        stream->seen = event_id;
    char id[40] = "";
    if (stream->seen)
        snprintf(id, sizeof id, "id: %" PRId64 "\n", stream->seen);
    /* Queued together with its event: a client counts an id as received even if nothing follows. */
    if (mr_buf_append_str(&stream->queue, id, NULL) == MR_OK)
        mr_event_stream_push(stream, text->data, text->len);
    else
        mr_event_stream_cut(stream);
}

bool mr_event_stream_has_room(const struct mr_event_stream *stream)
{
    return stream->queue.len <= stream->queue.max / 2;
}

void mr_event_stream_heartbeat(struct mr_event_stream *stream)
{
    static const char comment[] = ":\n\n";
    if (stream->queue.len == 0)
        mr_event_stream_push(stream, comment, sizeof comment - 1);
    else if (!stream->moved)
        mr_event_stream_cut(stream);
    stream->moved = false;
}
