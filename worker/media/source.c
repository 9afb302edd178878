#include "worker/media/source.h"

#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <libavutil/common.h>

static int read_packet(void *opaque, uint8_t *buf, int size)
{
    struct mr_source *source = opaque;
    if (source->failed || size <= 0)
        return AVERROR(EIO);
    if (source->at >= source->size)
        return AVERROR_EOF;
    size_t len = 0, most = (size_t)FFMIN(size, source->size - source->at);
    if (!mr_client_read(source->fds, source->index, source->base + source->at, buf, most, &len)) {
        source->failed = true;
        return AVERROR(EIO);
    }
    if (len == 0)
        return AVERROR_EOF;
    if (source->pass)
        len = source->pass(source, source->at, buf, len);
    source->at += (int64_t)len;
    return len ? (int)len : AVERROR_EOF;
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct mr_source *source = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return source->size;
    if (whence == SEEK_CUR)
        offset += source->at;
    else if (whence == SEEK_END)
        offset += source->size;
    if (offset < 0)
        return AVERROR(EINVAL);
    return source->at = offset;
}

enum mr_status mr_source_open(struct mr_source *source, const struct mr_sandbox_fds *fds, uint32_t index,
                              int64_t size, struct mr_err *err)
{
    *source = (struct mr_source){.fds = fds, .index = index, .size = size};
    unsigned char *buffer = av_malloc(MR_RANGE_MAX);
    if (buffer)
        source->io = avio_alloc_context(buffer, MR_RANGE_MAX, 0, source, read_packet, NULL, seek);
    if (source->io)
        return MR_OK;
    av_free(buffer);
    return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the input");
}

enum mr_status mr_source_rewind(struct mr_source *source, struct mr_err *err)
{
    source->io->eof_reached = 0;
    int64_t at = avio_seek(source->io, 0, SEEK_SET);
    return at < 0 ? mr_av_fail(err, MR_CODE_INVALID_MEDIA, (int)at, "the file cannot be read again") : MR_OK;
}

void mr_source_close(struct mr_source *source)
{
    if (source->io)
        av_freep(&source->io->buffer);
    avio_context_free(&source->io);
}

bool mr_source_peek(struct mr_source *source, int64_t offset, void *buf, size_t len)
{
    char *at = buf;
    if (offset < 0 || offset > source->size || (int64_t)len > source->size - offset)
        return false;
    while (len && !source->failed) {
        size_t n = 0;
        if (!mr_client_read(source->fds, source->index, source->base + offset, at, len, &n))
            source->failed = true;
        if (n == 0)
            return false;
        at += n;
        offset += (int64_t)n;
        len -= n;
    }
    return !source->failed;
}
