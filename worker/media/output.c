#include "worker/media/output.h"

#include "worker/media/encoder.h"

#include <errno.h>
#include <libavutil/opt.h>
#include <sys/random.h>

/* The AAC profiles that every player of .aac and .m4a knows; the others are encoded anew. */
static bool is_common_aac(int profile)
{
    return profile <= FF_PROFILE_AAC_LTP || profile == FF_PROFILE_AAC_HE || profile == FF_PROFILE_AAC_HE_V2;
}

bool mr_output_can_copy(const struct mr_input *input, const struct mr_media_format *spec)
{
    const AVCodecParameters *params = input->audio->codecpar;
    if (params->codec_id == AV_CODEC_ID_AAC && !is_common_aac(params->profile))
        return false;
    for (size_t i = 0; i < MR_COPY_CODECS_MAX && spec->copies[i] != AV_CODEC_ID_NONE; i++)
        if (spec->copies[i] == params->codec_id)
            return true;
    return false;
}

static enum mr_status open_muxer(struct mr_output *output, struct mr_sink *sink,
                                 const struct mr_media_format *spec, struct mr_err *err)
{
    *output = (struct mr_output){.spec = spec, .sink = sink};
    int rc = avformat_alloc_output_context2(&output->format, NULL, spec->muxer, NULL);
    if (rc >= 0 && !(output->audio = avformat_new_stream(output->format, NULL)))
        rc = AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, "internal", rc, "open the %s muxer", spec->muxer);
    output->format->pb = sink->io;
    output->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    return MR_OK;
}

static enum mr_status open_copy_filter(struct mr_output *output, const struct mr_input *input,
                                       struct mr_err *err)
{
    const AVCodecParameters *params = input->audio->codecpar;
    /* The only filter so far turns AAC with headers in its packets into AAC with one in the container. */
    if (!output->spec->copy_filter || params->codec_id != AV_CODEC_ID_AAC || params->extradata_size)
        return MR_OK;
    const AVBitStreamFilter *filter = av_bsf_get_by_name(output->spec->copy_filter);
    int rc = filter ? av_bsf_alloc(filter, &output->copy_filter) : AVERROR_BSF_NOT_FOUND;
    if (rc >= 0)
        rc = avcodec_parameters_copy(output->copy_filter->par_in, params);
    if (rc >= 0) {
        output->copy_filter->time_base_in = input->audio->time_base;
        rc = av_bsf_init(output->copy_filter);
    }
    return rc < 0 ? mr_av_fail(err, "internal", rc, "open the filter for copying") : MR_OK;
}

static enum mr_status carry_along(struct mr_output *output, const struct mr_input *input,
                                  struct mr_notes *notes, struct mr_err *err)
{
    const struct mr_media_format *spec = output->spec;
    enum mr_status status = mr_tags_carry(input, spec, output->format, output->audio, notes, err);
    if (!status)
        status = mr_cover_carry(input, spec, output->format, output->audio, &output->cover,
                                &output->cover_image, notes, err);
    if (!status)
        status = mr_chapters_carry(input, spec, output->format, output->audio, notes, err);
    return status;
}

enum mr_status mr_output_open_copy(struct mr_output *output, struct mr_sink *sink,
                                   const struct mr_media_format *spec, const struct mr_input *input,
                                   struct mr_notes *notes, struct mr_err *err)
{
    enum mr_status status = open_muxer(output, sink, spec, err);
    if (!status)
        status = open_copy_filter(output, input, err);
    if (status)
        return status;
    int rc = avcodec_parameters_copy(output->audio->codecpar, input->audio->codecpar);
    if (rc < 0)
        return mr_av_fail(err, "internal", rc, "copy the stream");
    output->audio->codecpar->codec_tag = 0; /* the muxer's own */
    output->audio->time_base = output->packet_base = input->audio->time_base;
    return carry_along(output, input, notes, err);
}

enum mr_status mr_output_open_encoder(struct mr_output *output, struct mr_sink *sink,
                                      const struct mr_media_format *spec, const struct mr_input *input,
                                      const AVFrame *frame, struct mr_notes *notes, struct mr_err *err)
{
    enum mr_status status = open_muxer(output, sink, spec, err);
    if (status)
        return status;
    bool global_header = output->format->oformat->flags & AVFMT_GLOBALHEADER;
    status = mr_encoder_open(spec, input, frame, global_header, &output->encoder, err);
    if (status)
        return status;
    int rc = avcodec_parameters_from_context(output->audio->codecpar, output->encoder);
    if (rc < 0)
        return mr_av_fail(err, "internal", rc, "describe the stream");
    output->audio->time_base = output->packet_base = output->encoder->time_base;
    return carry_along(output, input, notes, err);
}

void mr_output_close(struct mr_output *output)
{
    av_bsf_free(&output->copy_filter);
    avcodec_free_context(&output->encoder);
    avformat_free_context(output->format);
    output->format = NULL;
}

/* Samples that a decoder is told to skip at the start belong into the new container's header. */
static void copy_priming(struct mr_output *output, const AVPacket *first)
{
    enum { SKIP_SAMPLES_SIZE = 10 };
    size_t size = 0;
    const uint8_t *skip = av_packet_get_side_data(first, AV_PKT_DATA_SKIP_SAMPLES, &size);
    AVCodecParameters *params = output->audio->codecpar;
    if (skip && size >= SKIP_SAMPLES_SIZE && params->codec_id == AV_CODEC_ID_MP3 && !params->initial_padding)
        params->initial_padding = (int)((unsigned)skip[0] | (unsigned)skip[1] << 8 | (unsigned)skip[2] << 16);
}

static int write_cover(struct mr_output *output)
{
    if (!output->cover)
        return 0;
    AVPacket *packet = av_packet_clone(output->cover_image);
    if (!packet)
        return AVERROR(ENOMEM);
    packet->stream_index = output->cover->index;
    packet->pts = packet->dts = 0;
    packet->pos = -1;
    packet->flags |= AV_PKT_FLAG_KEY;
    int rc = av_write_frame(output->format, packet);
    av_packet_free(&packet);
    return rc;
}

/* An Ogg stream has a random serial number, for which libav would open /dev/urandom: forbidden here. Told to
 * be exact to the bit it takes the number from an option. */
static int set_serial_number(AVFormatContext *format)
{
    if (!av_opt_find(format->priv_data, "serial_offset", NULL, 0, 0))
        return 0;
    uint32_t serial;
    if (getrandom(&serial, sizeof serial, 0) != (ssize_t)sizeof serial)
        return AVERROR(errno);
    format->flags |= AVFMT_FLAG_BITEXACT;
    return av_opt_set_int(format->priv_data, "serial_offset", (int64_t)(serial & INT32_MAX), 0);
}

/* Whose fault a muxer's refusal is: what a copy hands it comes from the file, what an encoder makes from us.
 */
static const char *blame(const struct mr_output *output, int rc)
{
    bool is_the_files = !output->encoder && (rc == AVERROR_INVALIDDATA || rc == AVERROR(EINVAL));
    return is_the_files ? "invalid_media" : "internal";
}

static enum mr_status begin(struct mr_output *output, const AVPacket *first, struct mr_err *err)
{
    output->begun = true;
    if (!output->encoder)
        copy_priming(output, first);
    if (output->copy_filter) {
        int rc = avcodec_parameters_copy(output->audio->codecpar, output->copy_filter->par_out);
        if (rc < 0)
            return mr_av_fail(err, "internal", rc, "copy the stream");
        output->audio->codecpar->codec_tag = 0;
    }
    MR_AUTO_DICT AVDictionary *options = NULL;
    int rc = av_dict_parse_string(&options, output->spec->muxer_options, "=", ":", 0);
    /* ADTS has no place for tags but an ID3 tag before it, which not every player expects: not without need.
     */
    if (rc >= 0 && !output->format->metadata && av_dict_get(options, "write_id3v2", NULL, 0))
        rc = av_dict_set(&options, "write_id3v2", "0", 0);
    if (rc >= 0)
        rc = set_serial_number(output->format);
    if (rc >= 0)
        rc = avformat_write_header(output->format, &options);
    if (rc >= 0)
        rc = write_cover(output);
    return rc < 0 ? mr_av_fail(err, blame(output, rc), rc, "write the %s header", output->spec->muxer)
                  : MR_OK;
}

static enum mr_status write_one(struct mr_output *output, AVPacket *packet, struct mr_err *err)
{
    if (!output->begun) {
        enum mr_status status = begin(output, packet, err);
        if (status)
            return status;
    }
    packet->stream_index = output->audio->index;
    packet->pos = -1;
    av_packet_rescale_ts(packet, output->packet_base, output->audio->time_base);
    int rc = av_write_frame(output->format, packet);
    if (rc >= 0)
        mr_sink_begin_body(output->sink);
    return rc < 0 ? mr_av_fail(err, blame(output, rc), rc, "write the output") : MR_OK;
}

enum mr_status mr_output_write(struct mr_output *output, AVPacket *packet, struct mr_err *err)
{
    if (!output->copy_filter) {
        enum mr_status status = packet ? write_one(output, packet, err) : MR_OK;
        if (packet)
            av_packet_unref(packet);
        return status;
    }
    int rc = av_bsf_send_packet(output->copy_filter, packet);
    MR_AUTO_PACKET AVPacket *filtered = av_packet_alloc();
    if (!filtered)
        rc = AVERROR(ENOMEM);
    while (rc >= 0 && (rc = av_bsf_receive_packet(output->copy_filter, filtered)) >= 0) {
        enum mr_status status = write_one(output, filtered, err);
        av_packet_unref(filtered);
        if (status)
            return status;
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, "invalid_media", rc, "the stream cannot be copied");
    return MR_OK;
}

enum mr_status mr_output_finish(struct mr_output *output, struct mr_err *err)
{
    if (!output->begun)
        return mr_fail_code(err, MR_INVALID, "invalid_media", "the file holds no audio");
    mr_sink_begin_tail(output->sink);
    int rc = av_write_trailer(output->format);
    if (rc < 0)
        return mr_av_fail(err, blame(output, rc), rc, "write the %s trailer", output->spec->muxer);
    return mr_sink_finish(output->sink, err);
}
