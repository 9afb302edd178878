#include "worker/media/muxer.h"

#include "worker/media/alpha.h"
#include "worker/media/muxer_head.h"
#include "worker/media/readback.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/opt.h>
#include <string.h>

enum {
    QUEUE_BYTES_MAX = 96 * 1024 * 1024,
    QUEUE_PACKETS_MAX = 100000,
    INTERLEAVE_US = 2 * 1000 * 1000, /* how long one track's packets wait for another's */
};

enum mr_status mr_muxer_open(struct mr_muxer *output, const struct mr_media_format *spec,
                             const struct mr_options *options, const struct mr_demuxer *input,
                             const struct mr_sandbox_fds *fds, uint32_t index, struct mr_notes *notes,
                             struct mr_err *err)
{
    *output = (struct mr_muxer){
        .spec = spec, .options = options, .input = input, .notes = notes, .length_us = INT64_MAX};
    output->claims = notes ? json_array() : NULL;
    MR_TRY(mr_sink_open(&output->sink, fds, index, spec->patches, spec->index_first, err));
    int rc = avformat_alloc_output_context2(&output->format, NULL, spec->muxer, NULL);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "open the %s muxer", spec->muxer);
    output->format->pb = output->sink.io;
    output->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    output->format->max_interleave_delta = INTERLEAVE_US;
    return MR_OK;
}

void mr_muxer_close(struct mr_muxer *output)
{
    for (size_t i = 0; i < MR_SLOTS; i++) {
        avcodec_parameters_free(&output->tracks[i].params);
        av_freep(&output->tracks[i].mastering);
        av_freep(&output->tracks[i].light);
        av_bsf_free(&output->tracks[i].copy_filter);
    }
    for (size_t i = 0; i < output->queued; i++)
        av_packet_free(&output->queue[i]);
    av_freep(&output->queue);
    output->queued = 0;
    avformat_free_context(output->format);
    output->format = NULL;
    mr_covers_free(&output->covers);
    json_decref(output->claims);
    output->claims = NULL;
    mr_sink_close(&output->sink);
}

bool mr_muxer_has_global_header(const struct mr_muxer *output)
{
    return output->format->oformat->flags & AVFMT_GLOBALHEADER;
}

void mr_muxer_expect(struct mr_muxer *output, enum mr_slot slot)
{
    output->tracks[slot].state = MR_TRACK_EXPECTED;
}

void mr_muxer_give_up(struct mr_muxer *output, enum mr_slot slot)
{
    output->tracks[slot].state = MR_TRACK_NONE;
}

static enum mr_status open_track(struct mr_muxer_track *track, AVRational base, struct mr_err *err)
{
    track->params = avcodec_parameters_alloc();
    if (!track->params)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "describe the stream");
    track->packet_base = base;
    track->state = MR_TRACK_OPEN;
    return MR_OK;
}

enum mr_status mr_muxer_open_encoded(struct mr_muxer *output, enum mr_slot slot,
                                     const AVCodecContext *encoder, const AVStream *source,
                                     struct mr_err *err)
{
    struct mr_muxer_track *track = &output->tracks[slot];
    MR_TRY(open_track(track, encoder->time_base, err));
    track->source = source;
    track->rate = encoder->framerate;
    track->has_alpha = encoder->pix_fmt == AV_PIX_FMT_YUVA420P;
    int rc = avcodec_parameters_from_context(track->params, encoder);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "describe the stream") : MR_OK;
}

/* The only filter so far turns AAC with headers in its packets into AAC with one in the container. */
static enum mr_status open_copy_filter(struct mr_muxer *output, struct mr_muxer_track *track,
                                       const AVStream *stream, struct mr_err *err)
{
    const AVCodecParameters *params = stream->codecpar;
    if (!output->spec->copy_filter || params->codec_id != AV_CODEC_ID_AAC || params->extradata_size)
        return MR_OK;
    const AVBitStreamFilter *filter = av_bsf_get_by_name(output->spec->copy_filter);
    int rc = filter ? av_bsf_alloc(filter, &track->copy_filter) : AVERROR_BSF_NOT_FOUND;
    if (rc >= 0)
        rc = avcodec_parameters_copy(track->copy_filter->par_in, params);
    if (rc >= 0) {
        track->copy_filter->time_base_in = track->packet_base;
        rc = av_bsf_init(track->copy_filter);
    }
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "open the filter for copying") : MR_OK;
}

enum mr_status mr_muxer_open_copied(struct mr_muxer *output, enum mr_slot slot, const AVStream *stream,
                                    AVRational base, struct mr_err *err)
{
    struct mr_muxer_track *track = &output->tracks[slot];
    MR_TRY(open_track(track, base, err));
    MR_TRY(open_copy_filter(output, track, stream, err));
    track->source = stream;
    track->is_copied = true;
    track->rate = stream->avg_frame_rate;
    track->has_alpha = mr_alpha_decoder(stream) != NULL;
    int rc = avcodec_parameters_copy(track->params, stream->codecpar);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "copy the stream") : MR_OK;
}

static int keep_side_data(const AVFrame *frame, enum AVFrameSideDataType type, uint8_t **ret,
                          size_t *ret_size)
{
    const AVFrameSideData *data = av_frame_get_side_data(frame, type);
    if (!data)
        return 0;
    av_freep(ret);
    *ret = av_memdup(data->data, data->size);
    *ret_size = data->size;
    return *ret ? 0 : AVERROR(ENOMEM);
}

enum mr_status mr_muxer_set_light(struct mr_muxer *output, enum mr_slot slot, const AVFrame *frame,
                                  struct mr_err *err)
{
    struct mr_muxer_track *track = &output->tracks[slot];
    int rc = keep_side_data(frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, &track->mastering,
                            &track->mastering_size);
    if (rc >= 0)
        rc = keep_side_data(frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, &track->light, &track->light_size);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "keep the level of light") : MR_OK;
}

static enum mr_status check_size(const struct mr_muxer *output, struct mr_err *err)
{
    int64_t most = output->spec->max_bytes;
    if (!most || avio_tell(output->format->pb) <= most)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUTPUT_TOO_LARGE,
                        "the result is larger than the %lld MiB that %s can have here: choose mkv or mp4",
                        (long long)(most >> 20), output->spec->name);
}

/* Readers of Matroska take an Opus stream's delay off its time stamps (RFC 9559, 5.1.4.1.25). libav's muxer states the
 * delay, but does not add it. */
static int64_t stated_delay(const struct mr_muxer *output, const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    if (params->codec_id != AV_CODEC_ID_OPUS ||
        !av_match_name(output->format->oformat->name, "matroska,webm"))
        return 0;
    return av_rescale_q(params->initial_padding, (AVRational){1, FFMAX(params->sample_rate, 1)},
                        stream->time_base);
}

static void keep_flac_info(struct mr_muxer *output, const AVPacket *packet)
{
    size_t size = 0;
    const uint8_t *info = av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, &size);
    if (!info || size != MR_FLAC_INFO || strcmp(output->format->oformat->name, "ogg") != 0)
        return;
    memcpy(output->flac_info, info, size);
    output->has_flac_info = true;
}

static enum mr_status mux(struct mr_muxer *output, AVPacket *packet, struct mr_err *err)
{
    struct mr_muxer_track *track = &output->tracks[packet->stream_index];
    bool is_alone = output->format->nb_streams == 1 || !output->tracks[MR_SLOT_VIDEO].stream;
    packet->stream_index = track->stream->index;
    packet->pos = -1;
    av_packet_rescale_ts(packet, track->packet_base, track->stream->time_base);
    int64_t delay = stated_delay(output, track->stream);
    packet->pts += packet->pts == AV_NOPTS_VALUE ? 0 : delay;
    packet->dts += packet->dts == AV_NOPTS_VALUE ? 0 : delay;
    track->last_duration = packet->duration;
    keep_flac_info(output, packet);
    int rc = is_alone ? av_write_frame(output->format, packet)
                      : av_interleaved_write_frame(output->format, packet);
    if (rc >= 0)
        mr_sink_begin_body(&output->sink);
    av_packet_unref(packet);
    if (rc < 0)
        return mr_av_fail(err, mr_muxer_blame(output, rc), rc, "write the output");
    return check_size(output, err);
}

static enum mr_status enqueue(struct mr_muxer *output, AVPacket *packet, struct mr_err *err)
{
    if (output->queued >= QUEUE_PACKETS_MAX || output->queued_bytes + packet->size > QUEUE_BYTES_MAX)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "audio and video are too far apart in the file");
    if (output->queued == output->queue_capacity) {
        size_t capacity = FFMAX(output->queue_capacity * 2, 16);
        AVPacket **queue = av_realloc_array(output->queue, capacity, sizeof(*queue));
        if (!queue)
            return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a packet");
        output->queue = queue;
        output->queue_capacity = capacity;
    }
    AVPacket *kept = av_packet_alloc();
    if (!kept)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a packet");
    output->queued_bytes += packet->size;
    av_packet_move_ref(kept, packet);
    output->queue[output->queued++] = kept;
    return MR_OK;
}

static bool is_ready(const struct mr_muxer *output)
{
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (output->tracks[i].state == MR_TRACK_EXPECTED)
            return false;
    return output->is_first_in_line && output->queued > 0;
}

static enum mr_status flush_queue(struct mr_muxer *output, struct mr_err *err)
{
    enum mr_status status = mr_muxer_head_write(output, err);
    for (size_t i = 0; i < output->queued; i++) {
        if (!status)
            status = mux(output, output->queue[i], err);
        av_packet_free(&output->queue[i]);
    }
    output->queued = 0;
    output->queued_bytes = 0;
    return status;
}

static enum mr_status take(struct mr_muxer *output, enum mr_slot slot, AVPacket *packet, struct mr_err *err)
{
    packet->stream_index = (int)slot;
    if (output->begun)
        return mux(output, packet, err);
    enum mr_status status = enqueue(output, packet, err);
    return status || !is_ready(output) ? status : flush_queue(output, err);
}

static enum mr_status filter(struct mr_muxer *output, enum mr_slot slot, AVPacket *packet, struct mr_err *err)
{
    AVBSFContext *context = output->tracks[slot].copy_filter;
    int rc = av_bsf_send_packet(context, packet);
    MR_AUTO_PACKET AVPacket *filtered = av_packet_alloc();
    if (!filtered)
        rc = AVERROR(ENOMEM);
    while (rc >= 0 && (rc = av_bsf_receive_packet(context, filtered)) >= 0) {
        MR_TRY(take(output, slot, filtered, err));
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the stream cannot be copied");
    return MR_OK;
}

enum mr_status mr_muxer_write(struct mr_muxer *output, enum mr_slot slot, AVPacket *packet,
                              struct mr_err *err)
{
    if (output->tracks[slot].copy_filter)
        return filter(output, slot, packet, err);
    return packet ? take(output, slot, packet, err) : MR_OK;
}

enum mr_status mr_muxer_go(struct mr_muxer *output, struct mr_err *err)
{
    output->is_first_in_line = true;
    return is_ready(output) && !output->begun ? flush_queue(output, err) : MR_OK;
}

/* GIF shows a frame until the next one comes; the length of the last one must be set. */
static int set_last_delay(struct mr_muxer *output)
{
    void *muxer = output->format->priv_data;
    int64_t delay = output->tracks[MR_SLOT_VIDEO].last_duration;
    if (!output->format->oformat->priv_class || !av_opt_find(muxer, "final_delay", NULL, 0, 0))
        return 0;
    return av_opt_set_int(muxer, "final_delay", FFMIN(delay, UINT16_MAX), 0);
}

enum mr_status mr_muxer_finish(struct mr_muxer *output, struct mr_err *err)
{
    enum mr_status status = mr_muxer_go(output, err); /* what was given up makes it ready */
    if (status)
        return status;
    if (!output->begun)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file holds nothing that can be decoded");
    int rc = output->tracks[MR_SLOT_VIDEO].stream ? av_interleaved_write_frame(output->format, NULL) : 0;
    mr_sink_begin_tail(&output->sink);
    if (rc >= 0)
        rc = set_last_delay(output);
    if (rc >= 0)
        rc = av_write_trailer(output->format);
    if (rc < 0)
        return mr_av_fail(err, mr_muxer_blame(output, rc), rc, "write the %s trailer", output->spec->muxer);
    MR_TRY(mr_sink_settle(&output->sink, err));
    if (output->has_flac_info)
        mr_ogg_flac_finish(output->sink.head.data, output->sink.head.len, output->flac_info);
    if (output->notes)
        mr_readback(output);
    return mr_sink_finish(&output->sink, err);
}
