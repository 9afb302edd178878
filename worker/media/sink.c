#include "worker/media/sink.h"

#include "worker/media/faststart.h"
#include "worker/media/id3.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <string.h>

/* The index of a day of AAC in MP4 has some 20 MiB; libav's own table of it has more. */
/* PACKETS_MIN: demuxers look at the first packets as well. */
enum {
    HEAD_MIN = 64 * 1024,
    PACKETS_MIN = 16 * 1024,
    BUFFER = 128 * 1024,
    PART_MIN = 256 * 1024,
    TAIL_MAX = 128 * 1024 * 1024
};

static int part_reserve(struct mr_sink_part *part, size_t len)
{
    if (len > part->max)
        return AVERROR(EFBIG);
    if (len <= part->capacity)
        return 0;
    size_t capacity = FFMAX(part->capacity, PART_MIN);
    while (capacity < len)
        capacity *= 2;
    uint8_t *data = av_realloc(part->data, capacity);
    if (!data)
        return AVERROR(ENOMEM);
    part->data = data;
    part->capacity = capacity;
    return 0;
}

static int part_write(struct mr_sink_part *part, int64_t at, const uint8_t *buf, size_t len)
{
    size_t end = (size_t)at + len;
    int rc = part_reserve(part, end);
    if (rc < 0)
        return rc;
    memcpy(part->data + at, buf, len);
    part->len = FFMAX(part->len, end);
    return 0;
}

/* Writes up to len bytes at the present place, as many as belong to one part. Returns their count. */
static int write_some(struct mr_sink *sink, const uint8_t *buf, size_t len)
{
    int rc = 0;
    if (!sink->sealed) {
        rc = part_write(&sink->head, sink->at, buf, len);
    } else if (sink->at < (int64_t)sink->head.len) {
        len = FFMIN(len, sink->head.len - (size_t)sink->at);
        rc = part_write(&sink->head, sink->at, buf, len);
    } else if (sink->in_tail && sink->at >= sink->tail_start) {
        rc = part_write(&sink->tail, sink->at - sink->tail_start, buf, len);
    } else if (sink->at != sink->end) {
        rc = AVERROR(ESPIPE); /* it has left already */
    } else if (!mr_client_write(sink->fds, sink->index, sink->at, buf, len)) {
        rc = AVERROR(EPIPE);
    }
    return rc < 0 ? rc : (int)len;
}

static int write_packet(void *opaque, uint8_t *buf, int size)
{
    struct mr_sink *sink = opaque;
    if (sink->may_seal && sink->head.len >= sink->seal_at)
        sink->sealed = true;
    for (int done = 0; done < size;) {
        int n = write_some(sink, buf + done, (size_t)(size - done));
        if (n < 0)
            return n;
        done += n;
        sink->at += n;
        sink->end = FFMAX(sink->end, sink->at);
    }
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

enum mr_status mr_sink_open(struct mr_sink *sink, const struct mr_sandbox_fds *fds, uint32_t index,
                            bool patches, bool index_first, struct mr_err *err)
{
    *sink = (struct mr_sink){.fds = fds,
                             .index = index,
                             .index_first = index_first,
                             .head.max = MR_HEAD_MAX,
                             .tail.max = TAIL_MAX};
    unsigned char *buffer = av_malloc(BUFFER);
    if (buffer)
        sink->io = avio_alloc_context(buffer, BUFFER, 1, sink, NULL, write_packet, patches ? seek : NULL);
    if (!sink->io) {
        av_free(buffer);
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the output");
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
    av_freep(&sink->head.data);
    av_freep(&sink->tail.data);
}

void mr_sink_begin_body(struct mr_sink *sink)
{
    if (sink->may_seal)
        return;
    avio_flush(sink->io); /* what belongs into the head may still be in the buffer */
    sink->may_seal = true;
    sink->seal_at = FFMAX(sink->head.len + PACKETS_MIN, HEAD_MIN);
}

void mr_sink_begin_tail(struct mr_sink *sink)
{
    avio_flush(sink->io);
    sink->sealed = sink->head.len >= HEAD_MIN; /* a small output stays in the head altogether */
    sink->in_tail = sink->sealed;
    sink->tail_start = sink->end;
    sink->may_seal = false;
}

/* Puts `len` bytes at `data` into the head at `at`; what lies there moves back. */
static bool insert_into_head(struct mr_sink *sink, size_t at, const uint8_t *data, size_t len)
{
    struct mr_sink_part *head = &sink->head;
    if (part_reserve(head, head->len + len) < 0)
        return false;
    memmove(head->data + at + len, head->data + at, head->len - at);
    memcpy(head->data + at, data, len);
    head->len += len;
    sink->head_grown += sink->sealed ? (int64_t)len : 0;
    return true;
}

/* Moves the index from the end of `part`, whose first byte is the file's byte `start`, into the head. Leaves
 * all as it is where that cannot be: a file with its index at the end is whole, too. */
static void move_index(struct mr_sink *sink, struct mr_sink_part *part, int64_t start)
{
    int64_t media = 0, moov = 0;
    if (!mr_faststart_find(sink->head.data, sink->head.len, &media, &moov) || moov < start ||
        moov >= start + (int64_t)part->len)
        return;
    size_t at = (size_t)(moov - start), len = part->len - at;
    uint8_t *copy = sink->head.len + len <= MR_HEAD_MAX ? av_memdup(part->data + at, len) : NULL;
    if (copy && mr_faststart_shift(copy, len)) {
        part->len -= len;
        if (!insert_into_head(sink, (size_t)media, copy, len))
            part->len += len;
    }
    av_free(copy);
}

enum mr_status mr_sink_settle(struct mr_sink *sink, struct mr_err *err)
{
    avio_flush(sink->io);
    if (sink->io->error)
        return mr_av_fail(err, MR_CODE_INTERNAL, sink->io->error, "write the output");
    mr_id3_restore(sink->head.data, sink->head.len);
    if (sink->index_first && sink->in_tail)
        move_index(sink, &sink->tail, sink->tail_start);
    else if (sink->index_first)
        move_index(sink, &sink->head, 0);
    return MR_OK;
}

/* Up to len bytes of one part from `at` on. */
static int peek_part(const struct mr_sink_part *part, int64_t at, uint8_t *buf, int len)
{
    if (at < 0 || at >= (int64_t)part->len)
        return 0;
    len = (int)FFMIN(len, (int64_t)part->len - at);
    memcpy(buf, part->data + at, (size_t)len);
    return len;
}

int mr_sink_peek(const struct mr_sink *sink, int64_t at, uint8_t *buf, int len)
{
    int n = peek_part(&sink->head, at, buf, len);
    return n ? n : peek_part(&sink->tail, at - sink->tail_start - sink->head_grown, buf, len);
}

enum mr_status mr_sink_finish(struct mr_sink *sink, struct mr_err *err)
{
    if (!mr_client_write(sink->fds, sink->index, sink->tail_start, sink->tail.data, sink->tail.len) ||
        !mr_client_write(sink->fds, sink->index, 0, sink->head.data, sink->head.len))
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(EPIPE), "write the output");
    return MR_OK;
}
