#include "worker/media/audio_clip.h"

#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/common.h>
#include <stdio.h>

enum {
    NUMBER_MAX = 32,
    JITTER_US = 30 * 1000, /* time stamps that are off by less are rounded, not wrong */
    CHUNK = 8192,          /* samples */
    NOTED_US = 40 * 1000,  /* more than this added or cut at the end is noted in the receipt */
};

void mr_audio_clip_init(struct mr_audio_clip *clip, struct mr_parts *parts, const struct mr_sync *sync,
                        enum mr_slot slot, const AVStream *source)
{
    *clip = (struct mr_audio_clip){.sync = sync};
    mr_audio_part_init(&clip->part, parts, slot, source);
}

void mr_audio_clip_free(struct mr_audio_clip *clip)
{
    mr_audio_part_free(&clip->part);
    if (clip->waiting)
        av_audio_fifo_free(clip->waiting);
    clip->waiting = NULL;
}

bool mr_audio_clip_is_open(const struct mr_audio_clip *clip)
{
    return clip->part.encoder != NULL;
}

int64_t mr_audio_clip_position_us(const struct mr_audio_clip *clip)
{
    return av_rescale(clip->next, 1000000, clip->part.encoder->sample_rate);
}

static int64_t to_samples(const struct mr_audio_clip *clip, int64_t us)
{
    return mr_audio_part_samples(&clip->part, us);
}

static const struct mr_timeline *timeline_of(const struct mr_audio_clip *clip)
{
    return clip->part.parts->timeline;
}

static int64_t part_end(const struct mr_audio_clip *clip)
{
    return to_samples(clip, mr_timeline_part(timeline_of(clip), clip->part.number + 1));
}

enum mr_status mr_audio_clip_open(struct mr_audio_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    MR_TRY(mr_audio_part_open(&clip->part, frame, err));
    const AVCodecContext *encoder = clip->part.encoder;
    clip->waiting = av_audio_fifo_alloc(encoder->sample_fmt, encoder->ch_layout.nb_channels, CHUNK);
    if (!clip->waiting)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the encoder up");
    const struct mr_parts *parts = clip->part.parts;
    return mr_work_plan_audio(parts->work, encoder->sample_rate, encoder->ch_layout.nb_channels,
                              mr_parts_expected_s(parts), err);
}

/* Moves samples that have waited into the present part. */
static enum mr_status move(struct mr_audio_clip *clip, int64_t samples, struct mr_err *err)
{
    while (samples > 0) {
        int n = (int)FFMIN(samples, CHUNK);
        MR_AUTO_FRAME AVFrame *frame = mr_samples_new(clip->part.encoder, n);
        if (!frame || av_audio_fifo_read(clip->waiting, (void **)frame->extended_data, n) < n)
            return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode");
        MR_TRY(mr_audio_part_write(&clip->part, frame->extended_data, n, err));
        clip->head += n;
        samples -= n;
    }
    return MR_OK;
}

enum mr_status mr_audio_clip_advance(struct mr_audio_clip *clip, struct mr_err *err)
{
    int64_t limit = to_samples(clip, mr_sync_audio_limit_us(clip->sync));
    for (;;) {
        int64_t end = part_end(clip);
        MR_TRY(move(clip, FFMIN3(clip->next, end, limit) - clip->head, err));
        clip->is_done |= mr_audio_part_is_over(&clip->part);
        if (clip->head < end || !mr_sync_audio_may_leave(clip->sync, clip->part.number, clip->next > end))
            return MR_OK;
        MR_TRY(mr_audio_part_next(&clip->part, err));
    }
}

/* Audio that waits for video does not wait for ever. */
static bool is_far_ahead(struct mr_audio_clip *clip)
{
    int64_t waiting_us = av_rescale(clip->next - clip->head, 1000000, clip->part.encoder->sample_rate);
    if (mr_sync_audio_is_far_ahead(clip->sync, waiting_us))
        clip->is_full = clip->is_done = true;
    return clip->is_full;
}

static enum mr_status keep(struct mr_audio_clip *clip, uint8_t *const *data, int samples, struct mr_err *err)
{
    int rc = av_audio_fifo_write(clip->waiting, (void **)(uintptr_t)data, samples);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "keep the audio");
    clip->next += samples;
    const AVCodecContext *encoder = clip->part.encoder;
    const struct mr_sample_block block = {data, encoder->sample_fmt, encoder->ch_layout.nb_channels};
    return clip->waveform ? mr_waveform_hear(clip->waveform, &block, encoder->sample_rate, samples, err)
                          : MR_OK;
}

static enum mr_status keep_silence(struct mr_audio_clip *clip, int64_t samples, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new_silence(clip->part.encoder, CHUNK);
    if (!frame)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "make silence");
    for (; samples > 0; samples -= CHUNK)
        MR_TRY(keep(clip, frame->extended_data, (int)FFMIN(samples, CHUNK), err));
    return MR_OK;
}

/* Silence up to a sample of the clip; in steps of a second, for a hole may be long. */
static enum mr_status fill(struct mr_audio_clip *clip, int64_t until, struct mr_err *err)
{
    while (clip->next < until && !is_far_ahead(clip)) {
        MR_TRY(keep_silence(clip, FFMIN(until - clip->next, clip->part.encoder->sample_rate), err));
        MR_TRY(mr_audio_clip_advance(clip, err));
    }
    return MR_OK;
}

/* Silence between audio and more audio, with what was padded already; and before it, where there is no video to keep in
 * step with. */
static void count_hole(struct mr_audio_clip *clip, int64_t samples)
{
    samples += clip->padded;
    clip->padded = 0;
    if ((!clip->has_audio && timeline_of(clip)->is_timed) || samples == 0)
        return;
    clip->holes++;
    clip->hole_samples += samples;
}

enum mr_status mr_audio_clip_append(struct mr_audio_clip *clip, int64_t at, AVFrame *frame,
                                    struct mr_err *err)
{
    int64_t end = to_samples(clip, timeline_of(clip)->length_us);
    at = FFMIN(at, end); /* filters give their last samples when the clip is over */
    if (is_far_ahead(clip))
        return MR_OK;
    bool is_jitter = clip->next > 0 && llabs(at - clip->next) <= to_samples(clip, JITTER_US);
    if (!is_jitter)
        count_hole(clip, FFMAX(at - clip->next, 0));
    if (at > clip->next && !is_jitter)
        MR_TRY(fill(clip, at, err));
    else if (at < clip->next && !is_jitter)
        mr_samples_crop_to(frame, at - clip->next, INT64_MAX);
    mr_samples_crop(frame, 0, (int)FFMIN(frame->nb_samples, end - clip->next));
    clip->is_done |= clip->next + frame->nb_samples >= end;
    if (frame->nb_samples == 0)
        return MR_OK;
    clip->has_audio = true;
    if (clip->part.differs && !clip->part.monitor.decoder && !clip->part.parts->unit)
        MR_TRY(mr_meter_listen(&clip->part.out, frame, err));
    return keep(clip, frame->extended_data, frame->nb_samples, err);
}

enum mr_status mr_audio_clip_pad(struct mr_audio_clip *clip, int64_t until_us, struct mr_err *err)
{
    int64_t before = clip->next;
    MR_TRY(fill(clip, to_samples(clip, FFMIN(until_us, timeline_of(clip)->length_us)), err));
    clip->padded += clip->next - before;
    return MR_OK;
}

/* Audio that is made as long as the video. */
static void note_end(const struct mr_audio_clip *clip, int64_t end)
{
    char before[NUMBER_MAX], after[NUMBER_MAX];
    if (llabs(end - clip->next) <= to_samples(clip, NOTED_US))
        return;
    snprintf(before, sizeof before, "%.3f", (double)clip->next / clip->part.encoder->sample_rate);
    snprintf(after, sizeof after, "%.3f", (double)end / clip->part.encoder->sample_rate);
    mr_notes_changed(clip->part.parts->notes, "audio.duration", before, after,
                     end < clip->next ? "the audio was cut where the video ends"
                                      : "silence was added up to the end of the video");
}

enum mr_status mr_audio_clip_finish(struct mr_audio_clip *clip, int64_t end_us, struct mr_err *err)
{
    int64_t end = end_us == INT64_MAX ? clip->next : to_samples(clip, end_us);
    if (end > clip->next && clip->is_full)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "audio and video are too far apart in the file");
    note_end(clip, end);
    MR_TRY(fill(clip, end, err));
    for (;;) {
        int64_t until = FFMIN(end, part_end(clip));
        MR_TRY(move(clip, until - clip->head, err));
        if (until == end)
            return mr_audio_part_close(&clip->part, err);
        MR_TRY(mr_audio_part_next(&clip->part, err));
    }
}
