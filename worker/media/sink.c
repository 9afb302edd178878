#include "worker/media/sink.h"

#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <string.h>

enum { HEAD_MIN = 64 * 1024, BUFFER = 128 * 1024 };

static int grow_head(struct mr_sink *sink, size_t len)
{
    if (len > MR_HEAD_MAX)
        return AVERROR(EFBIG);
    if (len <= sink->head_capacity)
        return 0;
    size_t capacity = sink->head_capacity ? sink->head_capacity : HEAD_MIN + BUFFER;
    while (capacity < len)
        capacity *= 2;
    uint8_t *head = av_realloc(sink->head, capacity);
    if (!head)
        return AVERROR(ENOMEM);
    sink->head = head;
    sink->head_capacity = capacity;
    return 0;
}

/* Keeps what belongs into the head. Returns the count of bytes taken. */
static int write_head(struct mr_sink *sink, const uint8_t *buf, size_t len)
{
    size_t at = (size_t)sink->at;
    if (sink->sealed) {
        len = FFMIN(len, sink->head_len - at);
    } else {
        int rc = grow_head(sink, at + len);
        if (rc < 0)
            return rc;
        sink->head_len = FFMAX(sink->head_len, at + len);
    }
    memcpy(sink->head + at, buf, len);
    return (int)len;
}

static int write_packet(void *opaque, uint8_t *buf, int size)
{
    struct mr_sink *sink = opaque;
    size_t left = size > 0 ? (size_t)size : 0;
    if (sink->patches_head && !sink->sealed && sink->may_seal && sink->head_len >= HEAD_MIN)
        sink->sealed = true;
    if (sink->patches_head && (!sink->sealed || sink->at < (int64_t)sink->head_len)) {
        int n = write_head(sink, buf, left);
        if (n < 0)
            return n;
        buf += n;
        left -= (size_t)n;
        sink->at += n;
        sink->end = FFMAX(sink->end, sink->at);
    }
    if (left == 0)
        return size;
    if (sink->at != sink->end) /* it has left already */
        return AVERROR(ESPIPE);
    if (!mr_client_write(sink->fds, sink->at, buf, left))
        return AVERROR(EPIPE);
    sink->at = sink->end += (int64_t)left;
    return size;
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct mr_sink *sink = opaque;
    if (whence == AVSEEK_SIZE)
        return sink->end;
    if (whence == SEEK_CUR)
        offset += sink->at;
    else if (whence == SEEK_END)
        offset += sink->end;
    if (offset < 0 || offset > sink->end)
        return AVERROR(EINVAL);
    return sink->at = offset;
}

enum mr_status mr_sink_open(struct mr_sink *sink, const struct mr_sandbox_fds *fds, bool patches_head,
                            struct mr_err *err)
{
    *sink = (struct mr_sink){.fds = fds, .patches_head = patches_head};
    unsigned char *buffer = av_malloc(BUFFER);
    if (buffer)
        sink->io =
            avio_alloc_context(buffer, BUFFER, 1, sink, NULL, write_packet, patches_head ? seek : NULL);
    if (!sink->io) {
        av_free(buffer);
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "open the output");
    }
    /* Without this libav flushes after each packet: a system call for some hundred bytes. */
    sink->io->min_packet_size = BUFFER / 2;
    return MR_OK;
}

void mr_sink_close(struct mr_sink *sink)
{
    if (sink->io)
        av_freep(&sink->io->buffer);
    avio_context_free(&sink->io);
    av_freep(&sink->head);
}

void mr_sink_seal(struct mr_sink *sink)
{
    if (sink->may_seal)
        return;
    avio_flush(sink->io); /* what belongs into the head may still be in the buffer */
    sink->may_seal = true;
}

enum mr_status mr_sink_finish(struct mr_sink *sink, struct mr_err *err)
{
    avio_flush(sink->io);
    if (sink->io->error)
        return mr_av_fail(err, "internal", sink->io->error, "write the output");
    if (sink->head_len && !mr_client_write(sink->fds, 0, sink->head, sink->head_len))
        return mr_av_fail(err, "internal", AVERROR(EPIPE), "write the output's head");
    return MR_OK;
}
