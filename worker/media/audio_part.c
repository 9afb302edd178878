#include "worker/media/audio_part.h"

#include "worker/media/encoder.h"
#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>

enum { CHUNK = 8192 }; /* samples */

void mr_audio_part_init(struct mr_audio_part *part, struct mr_parts *parts, enum mr_slot slot,
                        const AVStream *source)
{
    *part = (struct mr_audio_part){.parts = parts, .source = source, .slot = slot};
    mr_meter_init(&part->out);
}

void mr_audio_part_free(struct mr_audio_part *part)
{
    mr_meter_free(&part->out);
    mr_monitor_close(&part->monitor);
    av_frame_free(&part->shape);
    avcodec_free_context(&part->encoder);
    if (part->queue)
        av_audio_fifo_free(part->queue);
    part->queue = NULL;
}

int64_t mr_audio_part_samples(const struct mr_audio_part *part, int64_t us)
{
    return us == INT64_MAX ? us : av_rescale(us, part->encoder->sample_rate, 1000000);
}

bool mr_audio_part_is_over(const struct mr_audio_part *part)
{
    const struct mr_unit_range *unit = part->parts->unit;
    return unit && unit->slice.is_over;
}

static enum mr_status write_packet(struct mr_audio_part *part, AVPacket *packet, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    if (part->monitor.decoder && !mr_audio_part_is_over(part))
        MR_TRY(mr_monitor_listen(&part->monitor, packet, &part->out, err));
    if (part->parts->unit)
        return mr_audio_slice_take(&part->parts->unit->slice, packet, err);
    MR_TRY(mr_parts_get(part->parts, part->number, &output, err));
    return mr_muxer_write(output, part->slot, packet, err);
}

/* What units have encoded of the samples up to here. */
static enum mr_status join(struct mr_audio_part *part, bool is_end, struct mr_err *err)
{
    struct mr_packets_reader *joined = part->parts->joined_audio;
    for (;;) {
        AVPacket *taken = NULL;
        MR_TRY(mr_audio_joined_take(joined, is_end ? INT64_MAX : part->encoded - part->lead_in, &taken, err));
        MR_AUTO_PACKET AVPacket *packet = taken;
        if (!packet)
            return is_end ? mr_audio_joined_end(joined, part->encoded, err) : MR_OK;
        MR_TRY(write_packet(part, packet, err));
    }
}

/* frame NULL: drain. */
static enum mr_status run_encoder(struct mr_audio_part *part, const AVFrame *frame, struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(part->encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(part->encoder, packet)) >= 0) {
        MR_TRY(write_packet(part, packet, err));
        av_packet_unref(packet);
    }
    return rc == AVERROR(EAGAIN) || rc == AVERROR_EOF
               ? MR_OK
               : mr_encoder_refuses(part->encoder, part->parts->options, rc, err);
}

/* frame NULL: drain. */
static enum mr_status encode(struct mr_audio_part *part, AVFrame *frame, struct mr_err *err)
{
    if (frame) {
        frame->pts = part->encoded - part->lead_in;
        part->encoded += frame->nb_samples;
    }
    MR_TRY(part->parts->joined_audio ? join(part, !frame, err) : run_encoder(part, frame, err));
    if (!frame && part->monitor.decoder)
        return mr_monitor_listen(&part->monitor, NULL, &part->out, err);
    return MR_OK;
}

static enum mr_status encode_some(struct mr_audio_part *part, int samples, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new(part->encoder, samples);
    if (!frame || av_audio_fifo_read(part->queue, (void **)frame->extended_data, samples) < samples)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode");
    return encode(part, frame, err);
}

/* Gives the encoder frames of its size; the last one of a part may be shorter. */
static enum mr_status encode_queue(struct mr_audio_part *part, bool is_last, struct mr_err *err)
{
    const AVCodecContext *encoder = part->encoder;
    bool takes_any =
        !encoder->frame_size || (encoder->codec->capabilities & AV_CODEC_CAP_VARIABLE_FRAME_SIZE);
    for (;;) {
        int left = av_audio_fifo_size(part->queue);
        int size = takes_any ? FFMIN(left, CHUNK) : encoder->frame_size;
        if (left < size && is_last)
            size = left;
        if (left < size || left == 0)
            return MR_OK;
        MR_TRY(encode_some(part, size, err));
    }
}

/* The part is another unit's. */
static bool is_left_out(const struct mr_audio_part *part)
{
    const struct mr_unit_range *unit = part->parts->unit;
    return unit && mr_audio_slice_leaves_out(&unit->slice, part->number);
}

/* The encoder of a unit does not get what comes long before its slice. */
static int pass(struct mr_audio_part *part)
{
    const struct mr_unit_range *unit = part->parts->unit;
    if (!unit || part->passed >= unit->slice.begin)
        return 0;
    int passed = (int)FFMIN(unit->slice.begin - part->passed, av_audio_fifo_size(part->queue));
    part->passed += passed;
    part->encoded += passed;
    return av_audio_fifo_drain(part->queue, passed);
}

enum mr_status mr_audio_part_write(struct mr_audio_part *part, uint8_t *const *data, int samples,
                                   struct mr_err *err)
{
    MR_TRY(mr_work_samples(part->parts->work, samples, part->encoder->ch_layout.nb_channels, err));
    if (mr_audio_part_is_over(part) || is_left_out(part))
        return MR_OK;
    int rc = av_audio_fifo_write(part->queue, (void **)(uintptr_t)data, samples);
    if (rc >= 0)
        rc = pass(part);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "keep the audio");
    return encode_queue(part, false, err);
}

static enum mr_status write_silence(struct mr_audio_part *part, int64_t us, struct mr_err *err)
{
    int64_t left = mr_audio_part_samples(part, us);
    if (left <= 0)
        return MR_OK;
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new_silence(part->encoder, CHUNK);
    if (!frame)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "make silence");
    for (; left > 0; left -= CHUNK)
        MR_TRY(mr_audio_part_write(part, frame->extended_data, (int)FFMIN(left, CHUNK), err));
    return MR_OK;
}

static enum mr_status write_lead_in(struct mr_audio_part *part, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new_silence(part->encoder, part->encoder->frame_size);
    if (!frame)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "lead in");
    part->lead_in = frame->nb_samples;
    return encode(part, frame, err);
}

static enum mr_status make_queue(struct mr_audio_part *part, struct mr_err *err)
{
    const AVCodecContext *encoder = part->encoder;
    if (!part->queue)
        part->queue = av_audio_fifo_alloc(encoder->sample_fmt, encoder->ch_layout.nb_channels, CHUNK);
    return part->queue ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the encoder up");
}

/* A decoder costs up to a fifth of an encoder: only where the loudness of the result is promised. */
static enum mr_status open_monitor(struct mr_audio_part *part, struct mr_err *err)
{
    const struct mr_unit_range *unit = part->parts->unit;
    if (part->parts->options->loudness >= 0 || (unit && !unit->slice.is_measured) ||
        !mr_monitor_is_needed(part->encoder))
        return MR_OK;
    part->differs = true;
    if (unit)
        mr_meter_slice(&part->out, unit->slice.first, unit->slice.end);
    return mr_monitor_open(&part->monitor, part->encoder, err);
}

static enum mr_status begin_slice(struct mr_audio_part *part, struct mr_err *err)
{
    struct mr_parts *parts = part->parts;
    return is_left_out(part) ? MR_OK
                             : mr_audio_slice_begin(&parts->unit->slice, parts->fds, part->encoder, err);
}

/* The encoder, and where its packets go. A unit has no container; its encoder does as if it had that of the whole. */
static enum mr_status open_encoder(struct mr_audio_part *part, struct mr_err *err)
{
    struct mr_parts *parts = part->parts;
    struct mr_muxer *output = NULL;
    const AVOutputFormat *container = av_guess_format(parts->spec->muxer, NULL, NULL);
    const struct mr_encoder_use use = {.global_header = container && container->flags & AVFMT_GLOBALHEADER,
                                       .is_sliced = parts->unit ? mr_audio_slice_is_part(&parts->unit->slice)
                                                                : parts->joined_audio &&
                                                                      parts->joined_audio->part_count > 1};
    MR_TRY(mr_encoder_open(parts->spec, parts->options, part->source, part->shape, use, &part->encoder, err));
    if (parts->unit)
        return begin_slice(part, err);
    MR_TRY(mr_parts_get(parts, part->number, &output, err));
    if (parts->joined_audio)
        MR_TRY(mr_packets_reader_begin(parts->joined_audio, part->encoder, part->number, 0, err));
    return mr_muxer_open_encoded(output, part->slot, part->encoder, part->source, err);
}

/* The encoder of the present part, and what comes before the clip. */
static enum mr_status open_part(struct mr_audio_part *part, struct mr_err *err)
{
    struct mr_parts *parts = part->parts;
    MR_TRY(open_encoder(part, err));
    MR_TRY(make_queue(part, err));
    MR_TRY(open_monitor(part, err));
    part->encoded = part->lead_in = 0;
    if (parts->spec->needs_lead_in)
        MR_TRY(write_lead_in(part, err));
    return write_silence(part, parts->timeline->intro_us, err);
}

enum mr_status mr_audio_part_open(struct mr_audio_part *part, const AVFrame *frame, struct mr_err *err)
{
    part->shape = av_frame_alloc();
    int rc =
        part->shape ? av_channel_layout_copy(&part->shape->ch_layout, &frame->ch_layout) : AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "set the encoder up");
    part->shape->sample_rate = frame->sample_rate;
    part->shape->format = frame->format;
    return open_part(part, err);
}

enum mr_status mr_audio_part_close(struct mr_audio_part *part, struct mr_err *err)
{
    if (is_left_out(part))
        return MR_OK;
    MR_TRY(write_silence(part, part->parts->timeline->outro_us, err));
    MR_TRY(encode_queue(part, true, err));
    MR_TRY(encode(part, NULL, err));
    int64_t us = av_rescale(part->encoded - part->lead_in, 1000000, part->encoder->sample_rate);
    part->number++;
    if (part->parts->unit)
        return mr_audio_slice_end(&part->parts->unit->slice, part->number - 1, part->encoded, err);
    return mr_parts_leave(part->parts, part->slot, us, err);
}

enum mr_status mr_audio_part_next(struct mr_audio_part *part, struct mr_err *err)
{
    if (is_left_out(part)) { /* its encoder has got nothing */
        part->number++;
        return begin_slice(part, err);
    }
    MR_TRY(mr_audio_part_close(part, err));
    if (is_left_out(part))
        return MR_OK;
    avcodec_free_context(&part->encoder);
    return open_part(part, err);
}
