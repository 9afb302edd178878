#include "worker/media/muxer_head.h"

#include "worker/media/loops.h"
#include "worker/media/stream_facts.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <string.h>
#include <sys/random.h>

AVStream *mr_muxer_audio(const struct mr_muxer *output)
{
    for (size_t i = MR_SLOT_AUDIO; i < MR_SLOT_SUBTITLE; i++)
        if (output->tracks[i].stream)
            return output->tracks[i].stream;
    return NULL;
}

/* Samples that a decoder is told to skip at the start belong into the new container's header. */
static void copy_priming(AVCodecParameters *params, const AVPacket *first)
{
    enum { SKIP_SAMPLES_SIZE = 10 };
    size_t size = 0;
    const uint8_t *skip = av_packet_get_side_data(first, AV_PKT_DATA_SKIP_SAMPLES, &size);
    if (skip && size >= SKIP_SAMPLES_SIZE && params->codec_id == AV_CODEC_ID_MP3 && !params->initial_padding)
        params->initial_padding = (int)((unsigned)skip[0] | (unsigned)skip[1] << 8 | (unsigned)skip[2] << 16);
}

/* An Ogg stream has a random serial number, for which libav would open /dev/urandom: forbidden here. Told to
 * be exact to the bit it takes the number from an option. The random numbers of Matroska's tracks need only differ within
 * a file: without them the same input gives the same bytes. */
static int set_serial_number(AVFormatContext *format)
{
    if (av_match_name(format->oformat->name, "matroska,webm"))
        format->flags |= AVFMT_FLAG_BITEXACT;
    if (!av_opt_find(format->priv_data, "serial_offset", NULL, 0, 0))
        return 0;
    uint32_t serial;
    if (getrandom(&serial, sizeof serial, 0) != (ssize_t)sizeof serial)
        return AVERROR(errno);
    format->flags |= AVFMT_FLAG_BITEXACT;
    return av_opt_set_int(format->priv_data, "serial_offset", (int64_t)(serial & INT32_MAX), 0);
}

enum mr_code mr_muxer_blame(const struct mr_muxer *output, int rc)
{
    bool copies = false;
    for (size_t i = 0; i < MR_SLOTS; i++)
        copies |= output->tracks[i].is_copied;
    return copies && (rc == AVERROR_INVALIDDATA || rc == AVERROR(EINVAL)) ? MR_CODE_INVALID_MEDIA
                                                                          : MR_CODE_INTERNAL;
}

/* What else a container says about frames besides their codec, such as their rotation. */
static int copy_side_data(AVStream *to, const AVStream *from)
{
    for (int i = 0; i < from->nb_side_data; i++) {
        const AVPacketSideData *data = &from->side_data[i];
        if (mr_stream_facts_include(data->type))
            continue;
        uint8_t *copy = av_stream_new_side_data(to, data->type, data->size);
        if (!copy)
            return AVERROR(ENOMEM);
        memcpy(copy, data->data, data->size);
    }
    return 0;
}

static const AVPacket *first_packet(const struct mr_muxer *output, enum mr_slot slot)
{
    for (size_t i = 0; i < output->queued; i++)
        if (output->queue[i]->stream_index == (int)slot)
            return output->queue[i];
    return NULL;
}

/* AVI counts such audio in blocks, which have another size in each file: in packets, then. */
static bool is_compressed(const AVCodecParameters *params)
{
    return params->codec_id == AV_CODEC_ID_MP3 || params->codec_id == AV_CODEC_ID_AC3;
}

/* Formats that have one name for what is beside the listener and what is behind: readers call it side. FLAC's own name for
 * four channels is another. */
static bool plays_at_sides(const struct mr_muxer *output, const AVCodecParameters *params)
{
    bool is_flac = params->codec_id == AV_CODEC_ID_FLAC && params->ch_layout.nb_channels > 4;
    return params->codec_id == AV_CODEC_ID_AC3 || params->codec_id == AV_CODEC_ID_EAC3 ||
           av_match_name(output->format->oformat->name, is_flac ? "ogg" : "aiff,caf");
}

/* Calls the channels what readers of the result will. */
static int name_channels(const struct mr_muxer *output, AVCodecParameters *params)
{
    static const struct {
        AVChannelLayout behind, beside;
    } names[] = {{AV_CHANNEL_LAYOUT_QUAD, AV_CHANNEL_LAYOUT_2_2},
                 {AV_CHANNEL_LAYOUT_5POINT0_BACK, AV_CHANNEL_LAYOUT_5POINT0},
                 {AV_CHANNEL_LAYOUT_5POINT1_BACK, AV_CHANNEL_LAYOUT_5POINT1}};
    for (size_t i = 0; plays_at_sides(output, params) && i < sizeof names / sizeof *names; i++)
        if (av_channel_layout_compare(&params->ch_layout, &names[i].behind) == 0)
            return av_channel_layout_copy(&params->ch_layout, &names[i].beside);
    return 0;
}

static int add_stream(struct mr_muxer *output, enum mr_slot slot)
{
    struct mr_muxer_track *track = &output->tracks[slot];
    AVStream *stream = track->stream = avformat_new_stream(output->format, NULL);
    if (!stream)
        return AVERROR(ENOMEM);
    int rc = avcodec_parameters_copy(stream->codecpar,
                                     track->copy_filter ? track->copy_filter->par_out : track->params);
    stream->time_base = track->packet_base;
    stream->avg_frame_rate = track->rate;
    stream->sample_aspect_ratio = stream->codecpar->sample_aspect_ratio;
    if (rc >= 0 && track->has_alpha)
        rc = av_dict_set(&stream->metadata, "alpha_mode", "1", 0);
    if (rc >= 0)
        rc = name_channels(output, stream->codecpar);
    if (rc >= 0)
        rc = mr_stream_facts_carry(output, slot, stream);
    if (rc < 0)
        return rc;
    /* The muxer's own tag; but "hvc1" is the one by which Apple's players know HEVC. */
    bool is_hevc = stream->codecpar->codec_id == AV_CODEC_ID_HEVC && output->spec->index_first;
    if (is_hevc || track->is_copied)
        stream->codecpar->codec_tag = is_hevc ? MKTAG('h', 'v', 'c', '1') : 0;
    if (!track->is_copied)
        return 0;
    stream->codecpar->block_align = is_compressed(stream->codecpar) ? 0 : stream->codecpar->block_align;
    const AVPacket *first = first_packet(output, slot);
    if (first)
        copy_priming(stream->codecpar, first);
    return copy_side_data(stream, track->source);
}

static enum mr_status carry_along(struct mr_muxer *output, struct mr_err *err)
{
    const struct mr_media_format *spec = output->spec;
    AVStream *main = mr_muxer_audio(output);
    if (!main)
        main = output->tracks[MR_SLOT_VIDEO].stream;
    const struct mr_carry carry = {
        output->input, spec, output->options, output->format, main, output->notes, output->claims,
    };
    MR_TRY(mr_tags_carry(&carry, err));
    MR_TRY(mr_covers_carry(&carry, &output->covers, err));
    MR_TRY(mr_chapters_carry(output->input, spec, output->from_us, output->length_us, output->format, main,
                             output->notes, err));
    return MR_OK;
}

/* Encoders of audio begin before 0, and libav moves all streams for it: where frames are counted, by a
 * whole frame. A long one would be worse than the 25 ms that the audio is late without. */
static int set_shift(const struct mr_muxer *output, AVDictionary **options)
{
    enum { FPS_MIN = 20 };
    AVRational rate = output->tracks[MR_SLOT_VIDEO].rate;
    if (!output->spec->constant_rate || rate.num >= FPS_MIN * rate.den)
        return 0;
    return av_dict_set(options, "avoid_negative_ts", "disabled", 0);
}

/* Only GIF has such an option. */
static int set_loops(const struct mr_muxer *output)
{
    void *muxer = output->format->priv_data;
    if (!output->format->oformat->priv_class || !av_opt_find(muxer, "loop", NULL, 0, 0))
        return 0;
    return av_opt_set_int(muxer, "loop", mr_loops_of(output->input->source), 0);
}

static int write_header(struct mr_muxer *output)
{
    MR_AUTO_DICT AVDictionary *options = NULL;
    int rc = av_dict_parse_string(&options, output->spec->muxer_options, "=", ":", 0);
    /* ADTS has no place for tags but an ID3 tag before it, which not every player expects: not without need.
     */
    bool needs_tag = output->format->metadata || output->covers.count > 0;
    if (rc >= 0 && !needs_tag && av_dict_get(options, "write_id3v2", NULL, 0))
        rc = av_dict_set(&options, "write_id3v2", "0", 0);
    if (rc >= 0)
        rc = set_serial_number(output->format);
    if (rc >= 0)
        rc = set_loops(output);
    if (rc >= 0)
        rc = set_shift(output, &options);
    if (mr_stream_facts_are_unofficial(output->format))
        output->format->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
    if (rc >= 0)
        rc = avformat_write_header(output->format, &options);
    return rc < 0 ? rc : mr_covers_write(&output->covers, output->format);
}

enum mr_status mr_muxer_head_write(struct mr_muxer *output, struct mr_err *err)
{
    output->begun = true;
    int rc = 0;
    for (enum mr_slot i = 0; i < MR_SLOTS && rc >= 0; i++)
        if (output->tracks[i].state == MR_TRACK_OPEN)
            rc = add_stream(output, i);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "describe the streams");
    MR_TRY(carry_along(output, err));
    rc = write_header(output);
    return rc < 0
               ? mr_av_fail(err, mr_muxer_blame(output, rc), rc, "write the %s header", output->spec->muxer)
               : MR_OK;
}
