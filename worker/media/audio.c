#include "worker/media/audio.h"

#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>

enum { CHANNELS_MAX = 64 };

#define FULL_SCALE 1.0F

enum mr_status mr_audio_init(struct mr_audio *audio, struct mr_parts *parts, const struct mr_gain *gain,
                             struct mr_err *err)
{
    const struct mr_demuxer *input = parts->input;
    *audio = (struct mr_audio){.parts = parts, .gain = gain, .filtered = av_frame_alloc()};
    audio->copies = !mr_options_change(parts->options, MR_OF_AUDIO, input->video != NULL) &&
                    mr_muxer_can_copy(input, input->audio, parts->spec);
    if (!audio->filtered)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the conversion up");
    mr_meter_init(&audio->in);
    mr_audio_clip_init(&audio->clip, parts);
    return mr_decoder_init(&audio->decoder, input->decoder, err);
}

void mr_audio_free(struct mr_audio *audio)
{
    mr_decoder_free(&audio->decoder);
    mr_meter_free(&audio->in);
    mr_filters_close(&audio->filters);
    av_frame_free(&audio->filtered);
    mr_audio_clip_free(&audio->clip);
}

int64_t mr_audio_decoded_us(const struct mr_audio *audio)
{
    return audio->rate ? audio->earlier_us + av_rescale(audio->samples, 1000000, audio->rate) : 0;
}

int64_t mr_audio_position_us(const struct mr_audio *audio)
{
    return audio->copies || !audio->clip.encoder ? mr_audio_decoded_us(audio)
                                                 : mr_audio_clip_position_us(&audio->clip);
}

bool mr_audio_is_empty(const struct mr_audio *audio)
{
    return audio->copies ? audio->samples == 0 : !audio->clip.has_sound;
}

/* ---- filters ---- */

/* Where a frame from the filters belongs, in samples of the clip. */
static int64_t place_filtered(const struct mr_audio *audio, const AVFrame *frame)
{
    const struct mr_timeline *timeline = audio->parts->timeline;
    AVRational samples = {1, audio->clip.encoder->sample_rate};
    if (!timeline->is_timed)
        return audio->filtered_count - av_rescale_q(timeline->skip_us, AV_TIME_BASE_Q, samples);
    if (frame->pts == AV_NOPTS_VALUE)
        return audio->clip.next;
    return av_rescale_q(frame->pts, mr_filters_time_base(&audio->filters), samples);
}

static enum mr_status take_filtered(struct mr_audio *audio, struct mr_err *err)
{
    for (;;) {
        bool got = false;
        AVFrame *frame = audio->filtered;
        enum mr_status status = mr_filters_pull(&audio->filters, frame, &got, err);
        if (!status && got) {
            int64_t at = place_filtered(audio, frame);
            audio->filtered_count += frame->nb_samples;
            status = mr_audio_clip_append(&audio->clip, at, frame, err);
        }
        av_frame_unref(frame);
        if (status || !got)
            return status ? status : mr_audio_clip_advance(&audio->clip, err);
    }
}

static enum mr_status drain_filters(struct mr_audio *audio, struct mr_err *err)
{
    if (!audio->filters.graph)
        return MR_OK;
    enum mr_status status = mr_filters_end(&audio->filters, AV_NOPTS_VALUE, err);
    return status ? status : take_filtered(audio, err);
}

/* ---- decoding ---- */

static void count_samples(struct mr_audio *audio, const AVFrame *frame)
{
    if (frame->sample_rate != audio->rate) {
        audio->earlier_us = mr_audio_decoded_us(audio);
        audio->samples = 0;
        audio->rate = frame->sample_rate;
    }
    audio->channels = frame->ch_layout.nb_channels;
    audio->samples += frame->nb_samples;
}

/* Copied, or written as it was decoded, sound is as loud as before. */
const struct mr_meter *mr_audio_meter_out(const struct mr_audio *audio)
{
    return audio->clip.differs ? &audio->clip.out : &audio->in;
}

/* Listens to what of a frame lies in the clip; `at`: where it begins there, in samples of its rate. */
static enum mr_status hear(struct mr_audio *audio, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    int64_t length_us = audio->parts->timeline->length_us;
    int64_t length = length_us == INT64_MAX ? INT64_MAX : av_rescale(length_us, frame->sample_rate, 1000000);
    if (at >= 0 && at + frame->nb_samples <= length)
        return mr_meter_listen(&audio->in, frame, err);
    MR_AUTO_FRAME AVFrame *inside = av_frame_clone(frame);
    if (!inside)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "measure the loudness");
    mr_samples_crop_to(inside, at, length);
    return mr_meter_listen(&audio->in, inside, err);
}

/* From now on what is written is not what was decoded. */
static void meter_apart(struct mr_audio *audio)
{
    if (!audio->clip.differs)
        mr_meter_continue(&audio->clip.out, &audio->in);
    audio->clip.differs = true;
}

static bool will_differ(const struct mr_audio *audio, const AVFrame *frame)
{
    return audio->gain->filters[0] || frame->sample_rate != audio->clip.encoder->sample_rate ||
           frame->ch_layout.nb_channels != audio->clip.encoder->ch_layout.nb_channels;
}

static enum mr_status open_for(struct mr_audio *audio, const AVFrame *frame, struct mr_err *err)
{
    enum mr_status status = audio->clip.encoder ? MR_OK : mr_audio_clip_open(&audio->clip, frame, err);
    if (status || mr_filters_fit(&audio->filters, frame))
        return status;
    status = drain_filters(audio, err);
    if (!status)
        status = mr_filters_open_audio(&audio->filters, frame, audio->clip.encoder,
                                       audio->clip.encoder->sample_fmt, audio->gain->filters, err);
    if (will_differ(audio, frame))
        meter_apart(audio);
    return status;
}

/* Where a frame begins on the clip, in samples of its rate. */
static int64_t place_on_clip(const struct mr_audio *audio, const AVFrame *frame, int64_t decoded_us)
{
    const struct mr_timeline *timeline = audio->parts->timeline;
    AVRational samples = {1, frame->sample_rate};
    if (!timeline->is_timed) /* a file's own timestamps may jump */
        return av_rescale_q(decoded_us - timeline->skip_us, AV_TIME_BASE_Q, samples);
    if (frame->best_effort_timestamp == AV_NOPTS_VALUE)
        return av_rescale(audio->clip.next, frame->sample_rate, audio->clip.encoder->sample_rate);
    return av_rescale_q(frame->best_effort_timestamp, audio->parts->input->audio->time_base, samples) -
           av_rescale_q(timeline->origin_us, AV_TIME_BASE_Q, samples);
}

static enum mr_status take_frame(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct mr_audio *audio = ctx;
    if (frame->nb_samples <= 0)
        return MR_OK;
    if (frame->sample_rate <= 0 || frame->ch_layout.nb_channels <= 0 ||
        frame->ch_layout.nb_channels > CHANNELS_MAX)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "audio of %d Hz with %d channels", frame->sample_rate,
                            frame->ch_layout.nb_channels);
    int64_t decoded_us = mr_audio_decoded_us(audio);
    count_samples(audio, frame);
    if (audio->copies)
        return mr_meter_listen(&audio->in, frame, err);
    if (audio->clip.is_done)
        return MR_OK;
    enum mr_status status = open_for(audio, frame, err);
    if (status)
        return status;
    frame->pts = place_on_clip(audio, frame, decoded_us);
    status = hear(audio, frame, frame->pts, err);
    if (audio->in.peak > FULL_SCALE) /* integers cannot follow */
        meter_apart(audio);
    if (!status)
        status = mr_filters_push(&audio->filters, frame, err);
    return status ? status : take_filtered(audio, err);
}

/* ---- copying ---- */

static enum mr_status open_copy(struct mr_audio *audio, struct mr_muxer **ret, struct mr_err *err)
{
    enum mr_status status = mr_parts_get(audio->parts, 0, ret, err);
    if (!status && !audio->copy_open)
        status = mr_muxer_open_copied(*ret, MR_SLOT_AUDIO, audio->parts->input->audio, err);
    audio->copy_open = true;
    return status;
}

/* A file's time stamps may be missing or jump back; a muxer wants them to rise. */
static enum mr_status copy_packet(struct mr_audio *audio, AVPacket *packet, struct mr_err *err)
{
    const AVStream *stream = audio->parts->input->audio;
    struct mr_muxer *output = NULL;
    enum mr_status status = open_copy(audio, &output, err);
    if (status)
        return status;
    int64_t at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (at != AV_NOPTS_VALUE && audio->parts->timeline->is_timed)
        at -= av_rescale_q(audio->parts->timeline->origin_us, AV_TIME_BASE_Q, stream->time_base);
    if (at == AV_NOPTS_VALUE || (audio->copied_any && at <= audio->copied_last))
        at = audio->copied_until;
    packet->pts = packet->dts = at; /* audio is not reordered */
    audio->copied_any = true;
    audio->copied_last = at;
    audio->copied_until = at + FFMAX(packet->duration, 1);
    return mr_muxer_write(output, MR_SLOT_AUDIO, packet, err);
}

enum mr_status mr_audio_packet(struct mr_audio *audio, AVPacket *packet, struct mr_err *err)
{
    enum mr_status status = mr_decoder_push(&audio->decoder, packet, take_frame, audio, err);
    return status || !audio->copies ? status : copy_packet(audio, packet, err);
}

enum mr_status mr_audio_begin_late(struct mr_audio *audio, struct mr_err *err)
{
    if (audio->clip.encoder || audio->copy_open)
        return MR_OK;
    struct mr_muxer *output = NULL;
    if (audio->copies)
        return open_copy(audio, &output, err);
    const AVCodecParameters *params = audio->parts->input->audio->codecpar;
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!frame || av_channel_layout_copy(&frame->ch_layout, &params->ch_layout) < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the encoder up");
    frame->sample_rate = params->sample_rate;
    frame->format = params->format;
    if (frame->sample_rate > 0 && frame->ch_layout.nb_channels > 0 && frame->format >= 0)
        return mr_audio_clip_open(&audio->clip, frame, err);
    mr_notes_dropped(audio->parts->notes, "audio", "it holds nothing that can be decoded");
    mr_parts_give_up(audio->parts, MR_SLOT_AUDIO);
    return MR_OK;
}

/* ---- the end ---- */

enum mr_status mr_audio_advance(struct mr_audio *audio, struct mr_err *err)
{
    return audio->clip.encoder ? mr_audio_clip_advance(&audio->clip, err) : MR_OK;
}

enum mr_status mr_audio_pad(struct mr_audio *audio, int64_t until_us, struct mr_err *err)
{
    return audio->clip.encoder ? mr_audio_clip_pad(&audio->clip, until_us, err) : MR_OK;
}

enum mr_status mr_audio_drain(struct mr_audio *audio, struct mr_err *err)
{
    enum mr_status status = mr_decoder_push(&audio->decoder, NULL, take_frame, audio, err);
    return status || audio->copies ? status : drain_filters(audio, err);
}

static enum mr_status finish_copy(struct mr_audio *audio, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    enum mr_status status = mr_parts_get(audio->parts, 0, &output, err);
    if (!status && audio->copied_any)
        status = mr_muxer_write(output, MR_SLOT_AUDIO, NULL, err);
    return status ? status : mr_parts_leave(audio->parts, MR_SLOT_AUDIO, mr_audio_decoded_us(audio), err);
}

enum mr_status mr_audio_finish(struct mr_audio *audio, int64_t end_us, struct mr_err *err)
{
    return audio->copies ? finish_copy(audio, err) : mr_audio_clip_finish(&audio->clip, end_us, err);
}
