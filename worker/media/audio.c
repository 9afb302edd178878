#include "worker/media/audio.h"

#include "worker/media/encoder.h"
#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>
#include <libavutil/samplefmt.h>
#include <stdio.h>

enum {
    CHANNELS_MAX = 64,
    NUMBER_MAX = 32,
    JITTER_US = 30 * 1000, /* time stamps that are off by less are rounded, not wrong */
    SILENCE_SAMPLES = 8192,
    AHEAD_US = 120 * 1000 * 1000, /* how far sound may be kept for a picture that has not come */
    TOLD_US = 40 * 1000,          /* what was added or cut at the end is told if it is longer */
};

#define FULL_SCALE 1.0F

enum mr_status mr_audio_init(struct mr_audio *audio, struct mr_parts *parts, const struct mr_gain *gain,
                             struct mr_err *err)
{
    const struct mr_input *input = parts->input;
    *audio = (struct mr_audio){.parts = parts, .gain = gain, .filtered = av_frame_alloc()};
    audio->copies = !mr_media_options_touch_audio(parts->options, input->video) &&
                    mr_output_can_copy(input, input->audio, parts->spec);
    if (!audio->filtered)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "set the conversion up");
    mr_meter_init(&audio->in);
    mr_meter_init(&audio->out);
    return mr_decoder_init(&audio->decoder, input->decoder, err);
}

void mr_audio_free(struct mr_audio *audio)
{
    mr_decoder_free(&audio->decoder);
    mr_meter_free(&audio->in);
    mr_meter_free(&audio->out);
    mr_monitor_close(&audio->monitor);
    mr_filters_close(&audio->filters);
    av_frame_free(&audio->filtered);
    av_frame_free(&audio->shape);
    avcodec_free_context(&audio->encoder);
    if (audio->line)
        av_audio_fifo_free(audio->line);
    if (audio->block)
        av_audio_fifo_free(audio->block);
    audio->line = audio->block = NULL;
}

int64_t mr_audio_decoded_us(const struct mr_audio *audio)
{
    return audio->rate ? audio->earlier_us + av_rescale(audio->samples, 1000000, audio->rate) : 0;
}

static int64_t to_samples(const struct mr_audio *audio, int64_t us)
{
    return us == INT64_MAX ? us : av_rescale(us, audio->encoder->sample_rate, 1000000);
}

int64_t mr_audio_position_us(const struct mr_audio *audio)
{
    if (audio->copies || !audio->encoder)
        return mr_audio_decoded_us(audio);
    return av_rescale(audio->next, 1000000, audio->encoder->sample_rate);
}

/* ---- encoding ---- */

/* frame NULL: drain. */
static enum mr_status encode(struct mr_audio *audio, AVFrame *frame, struct mr_err *err)
{
    AVCodecContext *encoder = audio->encoder;
    struct mr_output *output = NULL;
    enum mr_status status = mr_parts_get(audio->parts, audio->part, &output, err);
    if (status)
        return status;
    if (frame) {
        frame->pts = audio->encoded - audio->lead_in;
        audio->encoded += frame->nb_samples;
    }
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(encoder, packet)) >= 0) {
        if (audio->monitor.decoder)
            status = mr_monitor_listen(&audio->monitor, packet, &audio->out, err);
        if (!status)
            status = mr_output_write(output, MR_SLOT_AUDIO, packet, err);
        if (status)
            return status;
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, "internal", rc, "encode");
    if (!frame && audio->monitor.decoder)
        return mr_monitor_listen(&audio->monitor, NULL, &audio->out, err);
    return MR_OK;
}

static enum mr_status encode_some(struct mr_audio *audio, int samples, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new(audio->encoder, samples);
    if (!frame || av_audio_fifo_read(audio->block, (void **)frame->extended_data, samples) < samples)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "encode");
    return encode(audio, frame, err);
}

/* Gives the encoder its frames; the last one of a part may be shorter. */
static enum mr_status encode_block(struct mr_audio *audio, bool is_last, struct mr_err *err)
{
    const AVCodecContext *encoder = audio->encoder;
    bool takes_any =
        !encoder->frame_size || (encoder->codec->capabilities & AV_CODEC_CAP_VARIABLE_FRAME_SIZE);
    for (;;) {
        int left = av_audio_fifo_size(audio->block);
        int size = takes_any ? FFMIN(left, SILENCE_SAMPLES) : encoder->frame_size;
        if (left < size && is_last)
            size = left;
        if (left < size || left == 0)
            return MR_OK;
        enum mr_status status = encode_some(audio, size, err);
        if (status)
            return status;
    }
}

static enum mr_status write_fifo(AVAudioFifo *fifo, uint8_t *const *data, int samples, struct mr_err *err)
{
    int rc = av_audio_fifo_write(fifo, (void **)(uintptr_t)data, samples);
    return rc < 0 ? mr_av_fail(err, "internal", rc, "keep the sound") : MR_OK;
}

/* Silence into the clip (fifo `line`) or into the part alone (`block`). */
static enum mr_status add_silence(struct mr_audio *audio, AVAudioFifo *fifo, int64_t samples,
                                  struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame =
        samples > 0 ? mr_samples_new_silence(audio->encoder, SILENCE_SAMPLES) : NULL;
    if (samples > 0 && !frame)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "make silence");
    while (samples > 0) {
        int n = (int)FFMIN(samples, SILENCE_SAMPLES);
        enum mr_status status = write_fifo(fifo, frame->extended_data, n, err);
        if (!status && fifo == audio->block)
            status = encode_block(audio, false, err);
        if (status)
            return status;
        samples -= n;
    }
    return MR_OK;
}

/* ---- parts ---- */

static enum mr_status lead_in(struct mr_audio *audio, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *frame = mr_samples_new_silence(audio->encoder, audio->encoder->frame_size);
    if (!frame)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "lead in");
    audio->lead_in = frame->nb_samples;
    return encode(audio, frame, err);
}

static enum mr_status make_fifos(struct mr_audio *audio, struct mr_err *err)
{
    const AVCodecContext *encoder = audio->encoder;
    if (audio->line)
        return MR_OK;
    int channels = encoder->ch_layout.nb_channels;
    audio->line = av_audio_fifo_alloc(encoder->sample_fmt, channels, SILENCE_SAMPLES);
    audio->block = av_audio_fifo_alloc(encoder->sample_fmt, channels, SILENCE_SAMPLES);
    return audio->line && audio->block ? MR_OK
                                       : mr_av_fail(err, "internal", AVERROR(ENOMEM), "set the encoder up");
}

/* The encoder of the present part, and what comes before the clip. */
static enum mr_status open_part(struct mr_audio *audio, struct mr_err *err)
{
    struct mr_parts *parts = audio->parts;
    struct mr_output *output = NULL;
    enum mr_status status = mr_parts_get(parts, audio->part, &output, err);
    if (!status)
        status = mr_encoder_open(parts->spec, parts->options, parts->input, audio->shape,
                                 mr_output_has_global_header(output), &audio->encoder, err);
    if (!status)
        status = make_fifos(audio, err);
    /* A decoder costs up to a fifth of an encoder: only where the result's loudness is promised. */
    if (!status && parts->options->has_loudness && mr_monitor_is_needed(audio->encoder)) {
        audio->differs = true;
        status = mr_monitor_open(&audio->monitor, audio->encoder, err);
    }
    if (!status)
        status = mr_output_open_encoded(output, MR_SLOT_AUDIO, audio->encoder, err);
    audio->encoded = audio->lead_in = 0;
    if (!status && parts->spec->needs_lead_in)
        status = lead_in(audio, err);
    return status ? status
                  : add_silence(audio, audio->block, to_samples(audio, parts->timeline->intro_us), err);
}

static enum mr_status close_part(struct mr_audio *audio, struct mr_err *err)
{
    enum mr_status status =
        add_silence(audio, audio->block, to_samples(audio, audio->parts->timeline->outro_us), err);
    if (!status)
        status = encode_block(audio, true, err);
    if (!status)
        status = encode(audio, NULL, err);
    if (status)
        return status;
    int64_t us = av_rescale(audio->encoded - audio->lead_in, 1000000, audio->encoder->sample_rate);
    audio->written_us += us;
    audio->part++;
    return mr_parts_leave(audio->parts, MR_SLOT_AUDIO, us, err);
}

static enum mr_status next_part(struct mr_audio *audio, struct mr_err *err)
{
    enum mr_status status = close_part(audio, err);
    avcodec_free_context(&audio->encoder);
    return status ? status : open_part(audio, err);
}

static enum mr_status to_block(struct mr_audio *audio, int64_t samples, struct mr_err *err)
{
    while (samples > 0) {
        int n = (int)FFMIN(samples, SILENCE_SAMPLES);
        MR_AUTO_FRAME AVFrame *frame = mr_samples_new(audio->encoder, n);
        if (!frame || av_audio_fifo_read(audio->line, (void **)frame->extended_data, n) < n)
            return mr_av_fail(err, "internal", AVERROR(ENOMEM), "encode");
        enum mr_status status = write_fifo(audio->block, frame->extended_data, n, err);
        if (!status)
            status = encode_block(audio, false, err);
        if (status)
            return status;
        audio->head += n;
        samples -= n;
    }
    return MR_OK;
}

/* Sound goes into the next part after the picture; alone, when there is more of it. */
static bool may_go_on(const struct mr_audio *audio, int64_t part_end)
{
    const struct mr_parts *parts = audio->parts;
    return parts->has[MR_SLOT_VIDEO] ? parts->left[MR_SLOT_VIDEO] > audio->part : audio->next > part_end;
}

enum mr_status mr_audio_advance(struct mr_audio *audio, struct mr_err *err)
{
    const struct mr_timeline *timeline = audio->parts->timeline;
    enum mr_status status = MR_OK;
    while (!status && audio->encoder) {
        int64_t part_end = to_samples(audio, mr_timeline_part(timeline, audio->part + 1));
        int64_t until = FFMIN(audio->next, part_end);
        if (timeline->pads)
            until = FFMIN(until, to_samples(audio, audio->parts->picture_us));
        status = to_block(audio, until - audio->head, err);
        if (status || audio->head < part_end || !may_go_on(audio, part_end))
            break;
        status = next_part(audio, err);
    }
    return status;
}

/* ---- from the filters onto the clip ---- */

/* Sound that is to end with the picture waits for it, but not for ever. */
static bool is_far_ahead(struct mr_audio *audio)
{
    if (audio->parts->timeline->pads && audio->next - audio->head > to_samples(audio, AHEAD_US))
        audio->is_full = audio->is_done = true;
    return audio->is_full;
}

/* Up to a sample of the clip; by the second, for a hole may be long. */
static enum mr_status be_silent(struct mr_audio *audio, int64_t until, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    while (!status && audio->next < until && !is_far_ahead(audio)) {
        int64_t samples = FFMIN(until - audio->next, audio->encoder->sample_rate);
        status = add_silence(audio, audio->line, samples, err);
        audio->next += samples;
        if (!status)
            status = mr_audio_advance(audio, err);
    }
    return status;
}

static enum mr_status append(struct mr_audio *audio, int64_t at, AVFrame *frame, struct mr_err *err)
{
    int64_t end = to_samples(audio, audio->parts->timeline->length_us);
    if (is_far_ahead(audio))
        return MR_OK;
    bool is_jitter = audio->next > 0 && llabs(at - audio->next) <= to_samples(audio, JITTER_US);
    enum mr_status status = MR_OK;
    if (at > audio->next && !is_jitter) {
        status = be_silent(audio, FFMIN(at, end), err);
    } else if (at < audio->next && !is_jitter) {
        mr_samples_crop_to(frame, at - audio->next, INT64_MAX);
    }
    mr_samples_crop(frame, 0, (int)FFMIN(frame->nb_samples, end - audio->next));
    audio->is_done |= audio->next + frame->nb_samples >= end;
    if (status || frame->nb_samples == 0)
        return status;
    audio->written_any = true;
    if (audio->differs && !audio->monitor.decoder)
        status = mr_meter_listen(&audio->out, frame, err);
    if (!status)
        status = write_fifo(audio->line, frame->extended_data, frame->nb_samples, err);
    audio->next += frame->nb_samples;
    return status;
}

static enum mr_status take_filtered(struct mr_audio *audio, struct mr_err *err)
{
    const struct mr_timeline *timeline = audio->parts->timeline;
    for (;;) {
        bool got = false;
        AVFrame *frame = audio->filtered;
        enum mr_status status = mr_filters_pull(&audio->filters, frame, &got, err);
        if (!status && got) {
            AVRational base = mr_filters_time_base(&audio->filters);
            AVRational samples = {1, audio->encoder->sample_rate};
            int64_t at = timeline->is_timed && frame->pts != AV_NOPTS_VALUE
                             ? av_rescale_q(frame->pts, base, samples)
                         : timeline->is_timed ? audio->next
                                              : audio->filtered_count - to_samples(audio, timeline->skip_us);
            audio->filtered_count += frame->nb_samples;
            status = append(audio, at, frame, err);
        }
        av_frame_unref(frame);
        if (status || !got)
            return status ? status : mr_audio_advance(audio, err);
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
    return audio->differs ? &audio->out : &audio->in;
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
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "measure the loudness");
    mr_samples_crop_to(inside, at, length);
    return mr_meter_listen(&audio->in, inside, err);
}

/* The encoder for frames like this one. */
static enum mr_status open_with(struct mr_audio *audio, const AVFrame *frame, struct mr_err *err)
{
    audio->shape = av_frame_alloc();
    int rc =
        audio->shape ? av_channel_layout_copy(&audio->shape->ch_layout, &frame->ch_layout) : AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, "internal", rc, "set the encoder up");
    audio->shape->sample_rate = frame->sample_rate;
    audio->shape->format = frame->format;
    return open_part(audio, err);
}

/* From now on what is written is not what was decoded. */
static void meter_apart(struct mr_audio *audio)
{
    if (!audio->differs)
        mr_meter_continue(&audio->out, &audio->in);
    audio->differs = true;
}

static bool will_differ(const struct mr_audio *audio, const AVFrame *frame)
{
    return audio->gain->filters[0] || frame->sample_rate != audio->encoder->sample_rate ||
           frame->ch_layout.nb_channels != audio->encoder->ch_layout.nb_channels;
}

static enum mr_status open_for(struct mr_audio *audio, const AVFrame *frame, struct mr_err *err)
{
    enum mr_status status = audio->encoder ? MR_OK : open_with(audio, frame, err);
    if (status || mr_filters_fit(&audio->filters, frame))
        return status;
    status = drain_filters(audio, err);
    if (!status)
        status = mr_filters_open_audio(&audio->filters, frame, audio->encoder, audio->encoder->sample_fmt,
                                       audio->gain->filters, err);
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
        return av_rescale(audio->next, frame->sample_rate, audio->encoder->sample_rate);
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
        return mr_fail_code(err, MR_INVALID, "invalid_media", "audio of %d Hz with %d channels",
                            frame->sample_rate, frame->ch_layout.nb_channels);
    int64_t decoded_us = mr_audio_decoded_us(audio);
    count_samples(audio, frame);
    audio->written_any |= audio->copies;
    if (audio->copies)
        return mr_meter_listen(&audio->in, frame, err);
    if (audio->is_done)
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

static enum mr_status open_copy(struct mr_audio *audio, struct mr_output **ret, struct mr_err *err)
{
    enum mr_status status = mr_parts_get(audio->parts, 0, ret, err);
    if (!status && !audio->copy_open)
        status = mr_output_open_copied(*ret, MR_SLOT_AUDIO, audio->parts->input->audio, err);
    audio->copy_open = true;
    return status;
}

/* A file's time stamps may be missing or jump back; a muxer wants them to rise. */
static enum mr_status copy_packet(struct mr_audio *audio, AVPacket *packet, struct mr_err *err)
{
    const AVStream *stream = audio->parts->input->audio;
    struct mr_output *output = NULL;
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
    return mr_output_write(output, MR_SLOT_AUDIO, packet, err);
}

enum mr_status mr_audio_packet(struct mr_audio *audio, AVPacket *packet, struct mr_err *err)
{
    enum mr_status status = mr_decoder_push(&audio->decoder, packet, take_frame, audio, err);
    return status || !audio->copies ? status : copy_packet(audio, packet, err);
}

enum mr_status mr_audio_begin_late(struct mr_audio *audio, struct mr_err *err)
{
    if (audio->encoder || audio->copy_open)
        return MR_OK;
    struct mr_output *output = NULL;
    if (audio->copies)
        return open_copy(audio, &output, err);
    const AVCodecParameters *params = audio->parts->input->audio->codecpar;
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!frame || av_channel_layout_copy(&frame->ch_layout, &params->ch_layout) < 0)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "set the encoder up");
    frame->sample_rate = params->sample_rate;
    frame->format = params->format;
    if (frame->sample_rate > 0 && frame->ch_layout.nb_channels > 0 && frame->format >= 0)
        return open_with(audio, frame, err);
    mr_notes_dropped(audio->parts->notes, "audio", "it holds nothing that can be decoded");
    mr_parts_give_up(audio->parts, MR_SLOT_AUDIO);
    return MR_OK;
}

/* ---- the end ---- */

enum mr_status mr_audio_pad(struct mr_audio *audio, int64_t until_us, struct mr_err *err)
{
    if (!audio->encoder)
        return MR_OK;
    int64_t until = FFMIN(to_samples(audio, until_us), to_samples(audio, audio->parts->timeline->length_us));
    if (until <= audio->next)
        return MR_OK;
    return be_silent(audio, until, err);
}

enum mr_status mr_audio_drain(struct mr_audio *audio, struct mr_err *err)
{
    enum mr_status status = mr_decoder_push(&audio->decoder, NULL, take_frame, audio, err);
    return status || audio->copies ? status : drain_filters(audio, err);
}

static enum mr_status finish_copy(struct mr_audio *audio, struct mr_err *err)
{
    struct mr_output *output = NULL;
    enum mr_status status = mr_parts_get(audio->parts, 0, &output, err);
    if (!status && audio->copied_any)
        status = mr_output_write(output, MR_SLOT_AUDIO, NULL, err);
    audio->written_us = mr_audio_decoded_us(audio);
    return status ? status : mr_parts_leave(audio->parts, MR_SLOT_AUDIO, audio->written_us, err);
}

/* Sound that is made as long as the picture. */
static void note_end(const struct mr_audio *audio, int64_t end)
{
    char before[NUMBER_MAX], after[NUMBER_MAX];
    if (llabs(end - audio->next) <= to_samples(audio, TOLD_US))
        return;
    snprintf(before, sizeof before, "%.3f", (double)audio->next / audio->encoder->sample_rate);
    snprintf(after, sizeof after, "%.3f", (double)end / audio->encoder->sample_rate);
    mr_notes_changed(audio->parts->notes, "audio.duration", before, after,
                     end < audio->next ? "the sound was cut where the picture ends"
                                       : "silence was added up to the picture's end");
}

enum mr_status mr_audio_finish(struct mr_audio *audio, int64_t end_us, struct mr_err *err)
{
    if (audio->copies)
        return finish_copy(audio, err);
    const struct mr_timeline *timeline = audio->parts->timeline;
    enum mr_status status = MR_OK;
    int64_t end = end_us == INT64_MAX ? audio->next : to_samples(audio, end_us);
    if (end > audio->next && audio->is_full)
        return mr_fail_code(err, MR_TOO_LARGE, "resource_limit",
                            "sound and picture lie too far apart in the file");
    note_end(audio, end);
    if (end > audio->next)
        status = be_silent(audio, end, err);
    while (!status) {
        int64_t part_end = to_samples(audio, mr_timeline_part(timeline, audio->part + 1));
        status = to_block(audio, FFMIN(end, part_end) - audio->head, err);
        if (status || part_end >= end)
            break;
        status = next_part(audio, err);
    }
    return status ? status : close_part(audio, err);
}
