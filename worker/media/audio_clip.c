#include "worker/media/audio_clip.h"

#include "worker/media/encoder.h"
#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>
#include <stdio.h>

enum {
    NUMBER_MAX = 32,
    JITTER_US = 30 * 1000, /* time stamps that are off by less are rounded, not wrong */
    SILENCE_SAMPLES = 8192,
    AHEAD_US = 120 * 1000 * 1000, /* how far sound may be kept for a picture that has not come */
    TOLD_US = 40 * 1000,          /* what was added or cut at the end is told if it is longer */
};

void mr_audio_clip_init(struct mr_audio_clip *clip, struct mr_parts *parts)
{
    *clip = (struct mr_audio_clip){.parts = parts};
    mr_meter_init(&clip->out);
}

void mr_audio_clip_free(struct mr_audio_clip *clip)
{
    mr_meter_free(&clip->out);
    mr_monitor_close(&clip->monitor);
    av_frame_free(&clip->shape);
    avcodec_free_context(&clip->encoder);
    if (clip->line)
        av_audio_fifo_free(clip->line);
    if (clip->block)
        av_audio_fifo_free(clip->block);
    clip->line = clip->block = NULL;
}

int64_t mr_audio_clip_position_us(const struct mr_audio_clip *clip)
{
    return av_rescale(clip->next, 1000000, clip->encoder->sample_rate);
}

static int64_t to_samples(const struct mr_audio_clip *clip, int64_t us)
{
    return us == INT64_MAX ? us : av_rescale(us, clip->encoder->sample_rate, 1000000);
}

/* ---- encoding ---- */

/* frame NULL: drain. */
static enum mr_status encode(struct mr_audio_clip *clip, AVFrame *frame, struct mr_err *err)
{
    AVCodecContext *encoder = clip->encoder;
    struct mr_muxer *output = NULL;
    enum mr_status status = mr_parts_get(clip->parts, clip->part, &output, err);
    if (status)
        return status;
    if (frame) {
        frame->pts = clip->encoded - clip->lead_in;
        clip->encoded += frame->nb_samples;
    }
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(encoder, packet)) >= 0) {
        if (clip->monitor.decoder)
            status = mr_monitor_listen(&clip->monitor, packet, &clip->out, err);
        if (!status)
            status = mr_muxer_write(output, MR_SLOT_AUDIO, packet, err);
        if (status)
            return status;
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "encode");
    if (!frame && clip->monitor.decoder)
        return mr_monitor_listen(&clip->monitor, NULL, &clip->out, err);
    return MR_OK;
}

static enum mr_status encode_some(struct mr_audio_clip *clip, int samples, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new(clip->encoder, samples);
    if (!frame || av_audio_fifo_read(clip->block, (void **)frame->extended_data, samples) < samples)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode");
    return encode(clip, frame, err);
}

/* Gives the encoder its frames; the last one of a part may be shorter. */
static enum mr_status encode_block(struct mr_audio_clip *clip, bool is_last, struct mr_err *err)
{
    const AVCodecContext *encoder = clip->encoder;
    bool takes_any =
        !encoder->frame_size || (encoder->codec->capabilities & AV_CODEC_CAP_VARIABLE_FRAME_SIZE);
    for (;;) {
        int left = av_audio_fifo_size(clip->block);
        int size = takes_any ? FFMIN(left, SILENCE_SAMPLES) : encoder->frame_size;
        if (left < size && is_last)
            size = left;
        if (left < size || left == 0)
            return MR_OK;
        enum mr_status status = encode_some(clip, size, err);
        if (status)
            return status;
    }
}

static enum mr_status write_fifo(AVAudioFifo *fifo, uint8_t *const *data, int samples, struct mr_err *err)
{
    int rc = av_audio_fifo_write(fifo, (void **)(uintptr_t)data, samples);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "keep the sound") : MR_OK;
}

/* Silence into the clip (fifo `line`) or into the part alone (`block`). */
static enum mr_status add_silence(struct mr_audio_clip *clip, AVAudioFifo *fifo, int64_t samples,
                                  struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame =
        samples > 0 ? mr_samples_new_silence(clip->encoder, SILENCE_SAMPLES) : NULL;
    if (samples > 0 && !frame)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "make silence");
    while (samples > 0) {
        int n = (int)FFMIN(samples, SILENCE_SAMPLES);
        enum mr_status status = write_fifo(fifo, frame->extended_data, n, err);
        if (!status && fifo == clip->block)
            status = encode_block(clip, false, err);
        if (status)
            return status;
        samples -= n;
    }
    return MR_OK;
}

/* ---- parts ---- */

static enum mr_status lead_in(struct mr_audio_clip *clip, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new_silence(clip->encoder, clip->encoder->frame_size);
    if (!frame)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "lead in");
    clip->lead_in = frame->nb_samples;
    return encode(clip, frame, err);
}

static enum mr_status make_fifos(struct mr_audio_clip *clip, struct mr_err *err)
{
    const AVCodecContext *encoder = clip->encoder;
    if (clip->line)
        return MR_OK;
    int channels = encoder->ch_layout.nb_channels;
    clip->line = av_audio_fifo_alloc(encoder->sample_fmt, channels, SILENCE_SAMPLES);
    clip->block = av_audio_fifo_alloc(encoder->sample_fmt, channels, SILENCE_SAMPLES);
    return clip->line && clip->block
               ? MR_OK
               : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the encoder up");
}

/* The encoder of the present part, and what comes before the clip. */
static enum mr_status open_part(struct mr_audio_clip *clip, struct mr_err *err)
{
    struct mr_parts *parts = clip->parts;
    struct mr_muxer *output = NULL;
    enum mr_status status = mr_parts_get(parts, clip->part, &output, err);
    if (!status)
        status = mr_encoder_open(parts->spec, parts->options, parts->input, clip->shape,
                                 mr_muxer_has_global_header(output), &clip->encoder, err);
    if (!status)
        status = make_fifos(clip, err);
    /* A decoder costs up to a fifth of an encoder: only where the result's loudness is promised. */
    if (!status && parts->options->loudness < 0 && mr_monitor_is_needed(clip->encoder)) {
        clip->differs = true;
        status = mr_monitor_open(&clip->monitor, clip->encoder, err);
    }
    if (!status)
        status = mr_muxer_open_encoded(output, MR_SLOT_AUDIO, clip->encoder, err);
    clip->encoded = clip->lead_in = 0;
    if (!status && parts->spec->needs_lead_in)
        status = lead_in(clip, err);
    return status ? status : add_silence(clip, clip->block, to_samples(clip, parts->timeline->intro_us), err);
}

static enum mr_status close_part(struct mr_audio_clip *clip, struct mr_err *err)
{
    enum mr_status status =
        add_silence(clip, clip->block, to_samples(clip, clip->parts->timeline->outro_us), err);
    if (!status)
        status = encode_block(clip, true, err);
    if (!status)
        status = encode(clip, NULL, err);
    if (status)
        return status;
    int64_t us = av_rescale(clip->encoded - clip->lead_in, 1000000, clip->encoder->sample_rate);
    clip->part++;
    return mr_parts_leave(clip->parts, MR_SLOT_AUDIO, us, err);
}

static enum mr_status next_part(struct mr_audio_clip *clip, struct mr_err *err)
{
    enum mr_status status = close_part(clip, err);
    avcodec_free_context(&clip->encoder);
    return status ? status : open_part(clip, err);
}

static enum mr_status to_block(struct mr_audio_clip *clip, int64_t samples, struct mr_err *err)
{
    while (samples > 0) {
        int n = (int)FFMIN(samples, SILENCE_SAMPLES);
        MR_AUTO_FRAME AVFrame *frame = mr_samples_new(clip->encoder, n);
        if (!frame || av_audio_fifo_read(clip->line, (void **)frame->extended_data, n) < n)
            return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode");
        enum mr_status status = write_fifo(clip->block, frame->extended_data, n, err);
        if (!status)
            status = encode_block(clip, false, err);
        if (status)
            return status;
        clip->head += n;
        samples -= n;
    }
    return MR_OK;
}

/* Sound goes into the next part after the picture; alone, when there is more of it. */
static bool may_go_on(const struct mr_audio_clip *clip, int64_t part_end)
{
    const struct mr_parts *parts = clip->parts;
    return parts->has[MR_SLOT_VIDEO] ? parts->left[MR_SLOT_VIDEO] > clip->part : clip->next > part_end;
}

enum mr_status mr_audio_clip_advance(struct mr_audio_clip *clip, struct mr_err *err)
{
    const struct mr_timeline *timeline = clip->parts->timeline;
    enum mr_status status = MR_OK;
    while (!status) {
        int64_t part_end = to_samples(clip, mr_timeline_part(timeline, clip->part + 1));
        int64_t until = FFMIN(clip->next, part_end);
        if (timeline->pads)
            until = FFMIN(until, to_samples(clip, clip->parts->picture_us));
        status = to_block(clip, until - clip->head, err);
        if (status || clip->head < part_end || !may_go_on(clip, part_end))
            break;
        status = next_part(clip, err);
    }
    return status;
}

/* ---- onto the clip ---- */

/* Sound that is to end with the picture waits for it, but not for ever. */
static bool is_far_ahead(struct mr_audio_clip *clip)
{
    if (clip->parts->timeline->pads && clip->next - clip->head > to_samples(clip, AHEAD_US))
        clip->is_full = clip->is_done = true;
    return clip->is_full;
}

/* Up to a sample of the clip; by the second, for a hole may be long. */
static enum mr_status be_silent(struct mr_audio_clip *clip, int64_t until, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    while (!status && clip->next < until && !is_far_ahead(clip)) {
        int64_t samples = FFMIN(until - clip->next, clip->encoder->sample_rate);
        status = add_silence(clip, clip->line, samples, err);
        clip->next += samples;
        if (!status)
            status = mr_audio_clip_advance(clip, err);
    }
    return status;
}

enum mr_status mr_audio_clip_append(struct mr_audio_clip *clip, int64_t at, AVFrame *frame,
                                    struct mr_err *err)
{
    int64_t end = to_samples(clip, clip->parts->timeline->length_us);
    if (is_far_ahead(clip))
        return MR_OK;
    bool is_jitter = clip->next > 0 && llabs(at - clip->next) <= to_samples(clip, JITTER_US);
    enum mr_status status = MR_OK;
    if (at > clip->next && !is_jitter) {
        status = be_silent(clip, FFMIN(at, end), err);
    } else if (at < clip->next && !is_jitter) {
        mr_samples_crop_to(frame, at - clip->next, INT64_MAX);
    }
    mr_samples_crop(frame, 0, (int)FFMIN(frame->nb_samples, end - clip->next));
    clip->is_done |= clip->next + frame->nb_samples >= end;
    if (status || frame->nb_samples == 0)
        return status;
    clip->has_sound = true;
    if (clip->differs && !clip->monitor.decoder)
        status = mr_meter_listen(&clip->out, frame, err);
    if (!status)
        status = write_fifo(clip->line, frame->extended_data, frame->nb_samples, err);
    clip->next += frame->nb_samples;
    return status;
}

enum mr_status mr_audio_clip_open(struct mr_audio_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    clip->shape = av_frame_alloc();
    int rc =
        clip->shape ? av_channel_layout_copy(&clip->shape->ch_layout, &frame->ch_layout) : AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "set the encoder up");
    clip->shape->sample_rate = frame->sample_rate;
    clip->shape->format = frame->format;
    return open_part(clip, err);
}

/* ---- the end ---- */

/* Sound that is made as long as the picture. */
static void note_end(const struct mr_audio_clip *clip, int64_t end)
{
    char before[NUMBER_MAX], after[NUMBER_MAX];
    if (llabs(end - clip->next) <= to_samples(clip, TOLD_US))
        return;
    snprintf(before, sizeof before, "%.3f", (double)clip->next / clip->encoder->sample_rate);
    snprintf(after, sizeof after, "%.3f", (double)end / clip->encoder->sample_rate);
    mr_notes_changed(clip->parts->notes, "audio.duration", before, after,
                     end < clip->next ? "the sound was cut where the picture ends"
                                      : "silence was added up to the picture's end");
}

enum mr_status mr_audio_clip_pad(struct mr_audio_clip *clip, int64_t until_us, struct mr_err *err)
{
    int64_t until = FFMIN(to_samples(clip, until_us), to_samples(clip, clip->parts->timeline->length_us));
    return be_silent(clip, until, err);
}

enum mr_status mr_audio_clip_finish(struct mr_audio_clip *clip, int64_t end_us, struct mr_err *err)
{
    const struct mr_timeline *timeline = clip->parts->timeline;
    enum mr_status status = MR_OK;
    int64_t end = end_us == INT64_MAX ? clip->next : to_samples(clip, end_us);
    if (end > clip->next && clip->is_full)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "sound and picture lie too far apart in the file");
    note_end(clip, end);
    if (end > clip->next)
        status = be_silent(clip, end, err);
    while (!status) {
        int64_t part_end = to_samples(clip, mr_timeline_part(timeline, clip->part + 1));
        status = to_block(clip, FFMIN(end, part_end) - clip->head, err);
        if (status || part_end >= end)
            break;
        status = next_part(clip, err);
    }
    return status ? status : close_part(clip, err);
}
