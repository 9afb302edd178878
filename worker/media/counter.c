#include "worker/media/counter.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>

enum {
    LEARNED = 4,      /* packets that must have given samples */
    LEARN_MAX = 1000, /* packets that give none, or are skipped, are no reason to wait for ever */
};

void mr_counter_init(struct mr_counter *counter, const AVStream *stream, bool is_bare)
{
    enum { OPUS_HEAD = 19, AT_SKIP = 10 }; /* RFC 7845, 5.1; libav's decoder reads it, too */
    const AVCodecParameters *params = stream->codecpar;
    *counter = (struct mr_counter){.stream = stream, .is_bare = is_bare};
    if (params->codec_id == AV_CODEC_ID_OPUS && params->extradata_size >= OPUS_HEAD)
        counter->skip = AV_RL16(params->extradata + AT_SKIP);
    if (params->codec_id == AV_CODEC_ID_VORBIS)
        counter->vorbis = av_vorbis_parse_init(params->extradata, params->extradata_size);
    counter->is_on = counter->vorbis || mr_frame_head_is_known(params->codec_id);
}

void mr_counter_free(struct mr_counter *counter)
{
    av_packet_free(&counter->last);
    av_vorbis_parse_free(&counter->vorbis);
    counter->is_on = false;
}

static bool read_head(struct mr_counter *counter, const AVPacket *packet, struct mr_frame_head *ret)
{
    if (!counter->vorbis)
        return mr_frame_head_read(counter->stream->codecpar, packet, ret);
    int flags = 0;
    *ret = (struct mr_frame_head){0};
    if (packet->size <= 0 || packet->flags & AV_PKT_FLAG_CORRUPT)
        return false;
    ret->samples = av_vorbis_parse_frame_flags(counter->vorbis, packet->data, packet->size, &flags);
    return ret->samples > 0 && !flags;
}

/* Of HE-AAC a packet has twice the samples that its core has, in which skipped ones are counted. */
static int skip_unit(const struct mr_counter *counter)
{
    enum { HE_AAC = 2048 };
    return counter->stream->codecpar->codec_id == AV_CODEC_ID_AAC && counter->samples == HE_AAC ? 2 : 1;
}

/* As libav's decoders do it: whole frames that are marked, then samples at the beginning, then at the end. */
static int leave_out(struct mr_counter *counter, const AVPacket *packet, int samples, int *ret_first)
{
    enum { SIZE = 10, AT_END = 4 };
    size_t size = 0;
    const uint8_t *side = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size);
    int64_t behind = 0;
    *ret_first = 0;
    if (side && size >= SIZE) {
        counter->skip = (int64_t)AV_RL32(side) * skip_unit(counter);
        behind = AV_RL32(side + AT_END);
    }
    int64_t before = FFMIN(counter->skip, samples);
    counter->skip -= before;
    if (packet->flags & AV_PKT_FLAG_DISCARD || before == samples)
        return 0;
    *ret_first = (int)before;
    samples -= (int)before;
    return behind <= samples ? samples - (int)behind : samples;
}

void mr_counter_learn(struct mr_counter *counter, const AVPacket *packet, const AVCodecContext *decoder,
                      int64_t samples, bool is_sound)
{
    struct mr_frame_head head;
    int first = 0;
    counter->samples = decoder->frame_size;
    counter->rate = decoder->sample_rate;
    counter->channels = decoder->ch_layout.nb_channels;
    bool is_read = is_sound && read_head(counter, packet, &head);
    int length = is_read ? (head.samples ? head.samples : counter->samples) : 0;
    if (counter->vorbis && counter->packets == 0)
        length = 0; /* the first packet overlaps with the next one, and gives nothing itself */
    bool agrees = is_read && leave_out(counter, packet, length, &first) == samples &&
                  (!head.rate || head.rate == counter->rate) &&
                  (!head.channels || head.channels == counter->channels);
    counter->end = packet->pos + packet->size;
    counter->packets++;
    counter->heard += samples > 0;
    if (!agrees || counter->packets > LEARN_MAX)
        mr_counter_free(counter);
    counter->is_learned = counter->is_on && counter->heard >= LEARNED;
}

static int64_t time_of(const struct mr_counter *counter, const AVPacket *packet, int first)
{
    int64_t at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (at == AV_NOPTS_VALUE)
        return at;
    return at + av_rescale_q(first, (AVRational){1, counter->rate}, counter->stream->time_base);
}

/* Where a file was cut, or cannot be read on, its last packet often is the only trace; and AAC and ALAC have no checksum that
 * would show it. */
static bool keep(struct mr_counter *counter, const AVPacket *packet)
{
    enum AVCodecID codec = counter->stream->codecpar->codec_id;
    if (codec != AV_CODEC_ID_AAC && codec != AV_CODEC_ID_ALAC)
        return true;
    if (!counter->last)
        counter->last = av_packet_alloc();
    if (!counter->last)
        return false;
    av_packet_unref(counter->last);
    return av_packet_ref(counter->last, packet) >= 0;
}

bool mr_counter_fills(const struct mr_counter *counter, int64_t file_size)
{
    return !counter->is_bare || counter->end == file_size;
}

bool mr_counter_read(struct mr_counter *counter, const AVPacket *packet, AVFrame *frame)
{
    struct mr_frame_head head;
    int first = 0;
    if (!read_head(counter, packet, &head) || !keep(counter, packet))
        return false;
    counter->end = packet->pos + packet->size;
    int length = head.samples ? head.samples : counter->samples;
    frame->nb_samples = leave_out(counter, packet, length, &first);
    frame->sample_rate = head.rate ? head.rate : counter->rate;
    frame->ch_layout = (AVChannelLayout){.order = AV_CHANNEL_ORDER_UNSPEC,
                                         .nb_channels = head.channels ? head.channels : counter->channels};
    frame->best_effort_timestamp = time_of(counter, packet, first);
    return true;
}
