#include "worker/media/decoder.h"

#include "worker/media/chain.h"
#include "worker/media/frame_heads.h"
#include "worker/media/junk.h"
#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/common.h>

enum { BAD_PACKETS_FREE = 2 }; /* a cut at either end of a stream makes these */

enum mr_status mr_decoder_init(struct mr_decoder *decoder, AVCodecContext *context, struct mr_err *err)
{
    *decoder = (struct mr_decoder){.context = context, .frame = av_frame_alloc()};
    return decoder->frame ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the decoder up");
}

void mr_decoder_free(struct mr_decoder *decoder)
{
    avcodec_free_context(&decoder->of_link);
    av_frame_free(&decoder->frame);
}

static void note_size(struct mr_decoder *decoder, int size)
{
    int before = decoder->packet_size.last;
    if (decoder->packets == 1)
        decoder->packet_size.smallest = decoder->packet_size.largest = before;
    decoder->packet_size.smallest = FFMIN(decoder->packet_size.smallest, before);
    decoder->packet_size.largest = FFMAX(decoder->packet_size.largest, before);
    decoder->packet_size.last = size;
}

static enum mr_status take_frame(struct mr_decoder *decoder, mr_frame_fn *take, void *ctx, struct mr_err *err)
{
    int64_t bad = 0;
    if (decoder->context->codec_type == AVMEDIA_TYPE_AUDIO)
        MR_TRY(mr_samples_repair(decoder->frame, &bad, err));
    decoder->bad_samples += bad;
    return take(ctx, decoder->frame, err);
}

/* A tag, or zeros: a frame that the end of the file cuts begins as a frame, and nothing of it can be decoded. */
static bool is_tail(const struct mr_decoder *decoder, const AVPacket *packet, int frames)
{
    return decoder->is_bare && !(packet->flags & AV_PKT_FLAG_CORRUPT) && mr_junk_ends(packet) &&
           (frames > 0 || !mr_junk_begins_frame(decoder->context->codec_id, packet));
}

static void count(struct mr_decoder *decoder, const AVPacket *packet, bool is_bad, int frames)
{
    if (is_bad && is_tail(decoder, packet, frames)) {
        decoder->tail_packets++;
        return;
    }
    decoder->packets += decoder->tail_packets;
    decoder->bad_packets += decoder->tail_packets + is_bad;
    decoder->tail_packets = 0;
    decoder->last_is_bad = is_bad;
    note_size(decoder, packet->size);
    decoder->packets++;
    decoder->last_position = packet->pos;
}

/* A picture of which the decoder has guessed parts, without an error. */
static bool is_guessed(const AVFrame *frame)
{
    enum {
        GUESSED = FF_DECODE_ERROR_INVALID_BITSTREAM | FF_DECODE_ERROR_CONCEALMENT_ACTIVE |
                  FF_DECODE_ERROR_DECODE_SLICES
    };
    return frame->decode_error_flags & GUESSED;
}

/* packet NULL: drain. */
static enum mr_status decode(struct mr_decoder *decoder, const AVPacket *packet, mr_frame_fn *take, void *ctx,
                             struct mr_err *err)
{
    int frames = 0, guessed = 0, rc = avcodec_send_packet(decoder->context, packet);
    while (rc >= 0 && (rc = avcodec_receive_frame(decoder->context, decoder->frame)) >= 0) {
        guessed += is_guessed(decoder->frame);
        enum mr_status status = take_frame(decoder, take, ctx, err);
        av_frame_unref(decoder->frame);
        frames++;
        if (status)
            return status;
    }
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "decode");
    bool failed = rc != AVERROR(EAGAIN) && rc != AVERROR_EOF;
    bool is_bad = failed || (packet && packet->flags & AV_PKT_FLAG_CORRUPT);
    if (!is_bad && packet && frames > 0 && mr_frame_has_wrong_sum(decoder->context->codec_id, packet))
        guessed++;
    decoder->flawed_packets += is_bad ? 0 : guessed;
    if (packet) {
        count(decoder, packet, is_bad, frames);
    } else {
        decoder->bad_packets += failed;
        decoder->last_is_bad |= failed;
    }
    return MR_OK;
}

/* What is before the link is the present decoder's; the rest, that of the link's own. */
static enum mr_status follow(struct mr_decoder *decoder, const struct mr_link *link, const AVPacket *packet,
                             mr_frame_fn *take, void *ctx, struct mr_err *err)
{
    AVCodecContext *next = NULL;
    MR_AUTO_PACKET AVPacket *before = av_packet_clone(packet), *after = av_packet_clone(packet);
    if (!before || !after)
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, AVERROR(ENOMEM), "decode");
    before->size = link->at;
    after->data += link->audio;
    after->size -= link->audio;
    mr_junk_trim_behind(decoder->context->codec_id, before);
    if (link->at > 0)
        MR_TRY(decode(decoder, before, take, ctx, err));
    MR_TRY(decode(decoder, NULL, take, ctx, err));
    MR_TRY(mr_chain_open(decoder->context, link, &next, err));
    avcodec_free_context(&decoder->of_link);
    decoder->context = decoder->of_link = next;
    decoder->links++;
    return after->size > 0 ? decode(decoder, after, take, ctx, err) : MR_OK;
}

enum mr_status mr_decoder_push(struct mr_decoder *decoder, const AVPacket *packet, mr_frame_fn *take,
                               void *ctx, struct mr_err *err)
{
    struct mr_link link;
    if (!packet || !decoder->stream)
        return decode(decoder, packet, take, ctx, err);
    if (mr_chain_begins(decoder->context, decoder->stream, packet, &link))
        return follow(decoder, &link, packet, take, ctx, err);
    if (decoder->links && !decoder->is_bare && mr_chain_is_header(decoder->context, packet))
        return MR_OK;
    return decode(decoder, packet, take, ctx, err);
}

bool mr_decoder_is_damaged(const struct mr_decoder *decoder)
{
    return decoder->bad_packets + decoder->flawed_packets > 0;
}

void mr_decoder_count_unseen(struct mr_decoder *decoder, const AVPacket *packet)
{
    count(decoder, packet, false, 1);
}

void mr_decoder_count_cut(struct mr_decoder *decoder)
{
    decoder->packets++;
    decoder->bad_packets++;
    decoder->last_is_bad = true;
}

enum mr_status mr_decoder_check_damage(const struct mr_decoder *decoder, struct mr_notes *notes,
                                       struct mr_err *err)
{
    if (decoder->packets == 0 && decoder->tail_packets > 0)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file holds no frames that can be decoded");
    if (decoder->bad_packets > FFMAX(BAD_PACKETS_FREE, decoder->packets / 10))
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "%lld of %lld packets are damaged",
                            (long long)decoder->bad_packets, (long long)decoder->packets);
    if (mr_decoder_is_damaged(decoder))
        mr_notes_warn(notes, MR_CODE_DAMAGED_PACKETS, "%lld of %lld packets are damaged",
                      (long long)(decoder->bad_packets + decoder->flawed_packets),
                      (long long)decoder->packets);
    if (decoder->bad_samples)
        mr_notes_warn(notes, MR_CODE_BAD_SAMPLES, "%lld samples are no numbers or far beyond full scale",
                      (long long)decoder->bad_samples);
    return MR_OK;
}

/* At a constant bit rate MP3 frames differ by one byte of padding at most: a shorter one at the end was cut.
 */
static bool ends_in_a_frame(const struct mr_decoder *decoder)
{
    return decoder->packets > 2 && decoder->context->codec_id == AV_CODEC_ID_MP3 &&
           decoder->packet_size.largest - decoder->packet_size.smallest <= 1 &&
           decoder->packet_size.last < decoder->packet_size.smallest;
}

bool mr_decoder_ends_badly(const struct mr_decoder *decoder)
{
    return decoder->last_is_bad || ends_in_a_frame(decoder);
}
