#include "worker/media/audio_copy.h"

#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum {
    BACK_US = 100 * 1000, /* a time stamp that goes back further begins another stream: a chained file */
    LATE_US =
        100 * 1000, /* no padding of a codec is so long: the first sample is late, or its clock runs on */
};

/* Codecs of which a packet ends where the samples end that were decoded with it. */
static bool is_countable(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_OPUS || codec == AV_CODEC_ID_VORBIS || codec == AV_CODEC_ID_AAC ||
           codec == AV_CODEC_ID_MP3 || codec == AV_CODEC_ID_FLAC || codec == AV_CODEC_ID_ALAC;
}

enum mr_status mr_audio_copy_refuse(const struct mr_audio_copy *copy, const char *why, struct mr_err *err)
{
    copy->parts->encode_audio |= UINT32_C(1) << (copy->slot - MR_SLOT_AUDIO);
    return mr_fail_code(err, MR_CODE_COPY_IMPOSSIBLE, "%s cannot be copied", why);
}

enum mr_status mr_audio_copy_open(struct mr_audio_copy *copy, struct mr_err *err)
{
    const AVStream *stream = copy->source;
    const AVRational samples = {1, FFMAX(stream->codecpar->sample_rate, 1)};
    struct mr_muxer *output = NULL;
    if (copy->is_open)
        return MR_OK;
    MR_TRY(mr_parts_get(copy->parts, 0, &output, err));
    copy->counts = !copy->parts->timeline->is_timed && is_countable(stream->codecpar->codec_id) &&
                   av_cmp_q(stream->time_base, samples) > 0;
    copy->base = copy->counts ? samples : stream->time_base;
    MR_TRY(mr_muxer_open_copied(output, copy->slot, stream, copy->base, err));
    copy->is_open = true;
    return MR_OK;
}

/* Where the file's own time begins. Padding before the first sample stays before 0. */
static int64_t origin_us(const struct mr_audio_copy *copy)
{
    const struct mr_timeline *timeline = copy->parts->timeline;
    if (timeline->is_timed)
        return timeline->origin_us;
    int64_t start_us = copy->parts->input->start_us;
    return start_us > LATE_US || start_us < -LATE_US ? start_us : 0;
}

static enum mr_status check_order(struct mr_audio_copy *copy, int64_t stated, struct mr_err *err)
{
    AVRational base = copy->source->time_base;
    int64_t back_us = copy->has_packets ? av_rescale_q(copy->stated - stated, base, AV_TIME_BASE_Q) : 0;
    copy->stated = stated;
    return back_us > BACK_US ? mr_audio_copy_refuse(copy, "chained audio", err) : MR_OK;
}

/* Time stamps of a file may be missing or jump back; a muxer wants them to rise. */
static enum mr_status place(struct mr_audio_copy *copy, AVPacket *packet, int64_t before, struct mr_err *err)
{
    AVRational base = copy->source->time_base;
    int64_t at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (at != AV_NOPTS_VALUE) {
        MR_TRY(check_order(copy, at, err));
        at = av_rescale_q(at - av_rescale_q(origin_us(copy), AV_TIME_BASE_Q, base), base, copy->base);
    }
    if (copy->counts && copy->has_packets)
        at = before;
    if (at == AV_NOPTS_VALUE || (copy->has_packets && at <= copy->last))
        at = copy->has_packets ? copy->until : 0;
    packet->duration = av_rescale_q(packet->duration, base, copy->base);
    packet->pts = packet->dts = at; /* audio is not reordered */
    return MR_OK;
}

static enum mr_status put(struct mr_audio_copy *copy, AVPacket *packet, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    MR_TRY(mr_parts_get(copy->parts, 0, &output, err));
    copy->has_packets = true;
    copy->last = packet->pts;
    copy->until = packet->pts + FFMAX(packet->duration, 1);
    enum mr_status status = mr_muxer_write(output, copy->slot, packet, err);
    bool is_damaged = status && err && err->code == MR_CODE_INVALID_MEDIA; /* a decoder passes it over */
    return is_damaged ? mr_audio_copy_refuse(copy, "damaged audio", err) : status;
}

/*
 * An MP3 file says how many samples to skip, but not fewer than the 529 of a decoder's own delay (the LAME tag counts
 * what is beyond). Where nothing is to be skipped, a frame of silence is put before the first one, to be skipped.
 */
static enum mr_status lead_in(struct mr_audio_copy *copy, const AVPacket *first, struct mr_err *err)
{
    enum { HEADER = 4, MPEG_1 = 3, SKIP_SIZE = 10 };
    const AVCodecParameters *params = copy->source->codecpar;
    size_t size = 0;
    if (copy->has_packets || !copy->parts->spec->skips_mp3_delay || params->codec_id != AV_CODEC_ID_MP3 ||
        params->initial_padding || first->size <= HEADER ||
        av_packet_get_side_data(first, AV_PKT_DATA_SKIP_SAMPLES, &size))
        return MR_OK;
    MR_AUTO_PACKET AVPacket *silence = av_packet_alloc();
    int rc = silence ? av_new_packet(silence, first->size) : AVERROR(ENOMEM);
    uint8_t *skip = rc < 0 ? NULL : av_packet_new_side_data(silence, AV_PKT_DATA_SKIP_SAMPLES, SKIP_SIZE);
    if (!skip)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "copy the audio");
    unsigned samples = (first->data[1] >> 3 & 3) == MPEG_1 ? 1152 : 576;
    memset(silence->data, 0, (size_t)silence->size);
    memcpy(silence->data, first->data, HEADER);
    silence->data[1] |= 1; /* no checksum */
    memset(skip, 0, SKIP_SIZE);
    AV_WL32(skip, samples);
    silence->duration = av_rescale_q(samples, (AVRational){1, params->sample_rate}, copy->base);
    silence->pts = silence->dts = first->pts - silence->duration;
    silence->flags |= AV_PKT_FLAG_KEY;
    return put(copy, silence, err);
}

enum mr_status mr_audio_copy_packet(struct mr_audio_copy *copy, AVPacket *packet, int64_t before,
                                    int64_t after, int rate, struct mr_err *err)
{
    MR_TRY(mr_audio_copy_open(copy, err));
    const AVRational decoded = {1, FFMAX(rate, 1)};
    MR_TRY(place(copy, packet, av_rescale_q(before, decoded, copy->base), err));
    if (copy->counts)
        packet->duration = FFMAX(av_rescale_q(after, decoded, copy->base) - packet->pts, 0);
    MR_TRY(lead_in(copy, packet, err));
    return put(copy, packet, err);
}

/* STREAMINFO (RFC 9639, 8.2) with 36 bits of count. A sum over other samples than these says nothing. */
static void set_count(uint8_t *info, int64_t samples)
{
    enum { COUNT = 13, SUM = 18, SUM_SIZE = 16 };
    int64_t stated = (int64_t)(info[COUNT] & 0x0f) << 32 | AV_RB32(info + COUNT + 1);
    if (stated && stated != samples)
        memset(info + SUM, 0, SUM_SIZE);
    info[COUNT] = (uint8_t)((info[COUNT] & 0xf0) | (samples >> 32 & 0x0f));
    AV_WB32(info + COUNT + 1, (uint32_t)samples);
}

/* FLAC states at its beginning how many samples there are. A writer that could not go back has left 0 there; now they are
 * known. Muxers take another header at the end from a packet of nothing else, as encoders give it. */
static enum mr_status state_count(const struct mr_audio_copy *copy, struct mr_muxer *output, int64_t samples,
                                  struct mr_err *err)
{
    enum { INFO = 34 };
    const AVCodecParameters *params = copy->source->codecpar;
    if (params->codec_id != AV_CODEC_ID_FLAC || params->extradata_size != INFO)
        return MR_OK;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    uint8_t *info = packet ? av_packet_new_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, INFO) : NULL;
    if (!info)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "copy the audio");
    memcpy(info, params->extradata, INFO);
    set_count(info, samples);
    packet->pts = packet->dts = copy->until;
    return mr_muxer_write(output, copy->slot, packet, err);
}

enum mr_status mr_audio_copy_finish(struct mr_audio_copy *copy, int64_t samples, int64_t decoded_us,
                                    struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    MR_TRY(mr_parts_get(copy->parts, 0, &output, err));
    if (copy->has_packets) {
        MR_TRY(state_count(copy, output, samples, err));
        MR_TRY(mr_muxer_write(output, copy->slot, NULL, err));
    }
    return mr_parts_leave(copy->parts, copy->slot, decoded_us, err);
}
