#include "worker/media/chain.h"

#include <errno.h>
#include <string.h>

enum { FLAC_HEAD = 8, FLAC_INFO = 34, OGG_HEAD = 9 };

/* "fLaC", then the block STREAMINFO of 34 bytes, which may be the only one (RFC 9639, 8.1). */
static bool is_flac_head(const uint8_t *at)
{
    return memcmp(at, "fLaC", 4) == 0 && (at[4] & 0x7f) == 0 && memcmp(at + 5, "\0\0\x22", 3) == 0;
}

/* Behind the last block of the header, in bytes of the packet; its size, where the blocks go on in the next one. */
static int skip_blocks(const AVPacket *packet, int at)
{
    enum { LAST = 0x80, HEADER = 4 };
    uint8_t first = 0;
    while (!(first & LAST)) {
        if (at > packet->size - HEADER)
            return packet->size;
        const uint8_t *block = packet->data + at;
        int len = block[1] << 16 | block[2] << 8 | block[3];
        first = block[0];
        if (len > packet->size - HEADER - at)
            return packet->size;
        at += HEADER + len;
    }
    return at;
}

/* In Ogg the header is a packet, and has a head of its own (RFC 9639, 10.1); files that were joined have it behind a
 * frame. */
static bool begins_flac(const AVPacket *packet, struct mr_link *ret)
{
    const uint8_t *data = packet->data, *at = data, *end = data + packet->size;
    while ((at = memmem(at, (size_t)(end - at), "fLaC", 4))) {
        if (end - at < FLAC_HEAD + FLAC_INFO)
            return false;
        if (is_flac_head(at))
            break;
        at++;
    }
    if (!at)
        return false;
    bool is_ogg = at - data == OGG_HEAD && memcmp(data,
                                                  "\x7f"
                                                  "FLAC",
                                                  5) == 0;
    *ret = (struct mr_link){.at = is_ogg ? 0 : (int)(at - data),
                            .audio = is_ogg ? packet->size : skip_blocks(packet, (int)(at - data) + 4),
                            .header = at + FLAC_HEAD,
                            .header_len = FLAC_INFO};
    return true;
}

/* libav replaces what the stream says of Opus. */
static bool begins_opus(const AVCodecContext *decoder, const AVStream *stream, struct mr_link *ret)
{
    const AVCodecParameters *params = stream->codecpar;
    *ret = (struct mr_link){.header = params->extradata, .header_len = params->extradata_size};
    return params->extradata_size > 0 && decoder->extradata_size > 0 &&
           (params->extradata_size != decoder->extradata_size ||
            memcmp(params->extradata, decoder->extradata, (size_t)params->extradata_size) != 0);
}

bool mr_chain_begins(const AVCodecContext *decoder, const AVStream *stream, const AVPacket *packet,
                     struct mr_link *ret)
{
    if (decoder->codec_id == AV_CODEC_ID_FLAC)
        return packet->size >= FLAC_HEAD + FLAC_INFO && begins_flac(packet, ret);
    return decoder->codec_id == AV_CODEC_ID_OPUS && begins_opus(decoder, stream, ret);
}

bool mr_chain_is_header(const AVCodecContext *decoder, const AVPacket *packet)
{
    return decoder->codec_id == AV_CODEC_ID_FLAC && packet->size > 0 && packet->data[0] != 0xff;
}

enum mr_status mr_chain_open(const AVCodecContext *like, const struct mr_link *link, AVCodecContext **ret,
                             struct mr_err *err)
{
    AVCodecContext *decoder = avcodec_alloc_context3(like->codec);
    size_t len = (size_t)link->header_len;
    int rc = decoder ? 0 : AVERROR(ENOMEM);
    if (decoder) {
        decoder->extradata = av_mallocz(len + AV_INPUT_BUFFER_PADDING_SIZE);
        decoder->pkt_timebase = like->pkt_timebase;
        decoder->thread_count = 1; /* the sandbox has no threads */
        rc = decoder->extradata ? 0 : AVERROR(ENOMEM);
    }
    if (rc >= 0) {
        memcpy(decoder->extradata, link->header, len);
        decoder->extradata_size = link->header_len;
        rc = avcodec_open2(decoder, like->codec, NULL);
    }
    if (rc < 0) {
        avcodec_free_context(&decoder);
        return mr_av_fail(err, rc == AVERROR(ENOMEM) ? MR_CODE_RESOURCE_LIMIT : MR_CODE_INVALID_MEDIA, rc,
                          "the header of a joined file cannot be read");
    }
    *ret = decoder;
    return MR_OK;
}
