#include "worker/media/previews.h"

#include "shared/base/clock.h"
#include "worker/media/decoder.h"
#include "worker/media/discontinuity.h"
#include "worker/media/gaps.h"
#include "worker/media/geometry.h"
#include "worker/media/samples.h"
#include "worker/media/stills.h"
#include "worker/media/waveform.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <libavutil/common.h>

enum { PROGRESS_US = 250 * 1000, SILENCE = 1024, USUAL_FRAME_US = 40 * 1000 };

/* One pass over the input. */
struct pass {
    const struct mr_previews_wish *wish;
    struct mr_parts *parts;
    struct mr_work work;
    struct mr_demuxer *input;
    const AVStream *stream;
    struct mr_decoder decoder;
    struct mr_gaps gaps;
    struct mr_stills stills;
    struct mr_waveform waveform;
    int64_t end_us; /* of what was decoded, counted from its beginning */
    int64_t progress_at_us;
};

bool mr_previews_are_wanted(const struct mr_options *options)
{
    return mr_stills_are_wanted(options) || options->waveform_points > 0;
}

static enum mr_status check_length(const struct pass *pass, struct mr_err *err)
{
    if (pass->end_us <= pass->wish->max_us)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the file is longer than %lld s",
                        (long long)(pass->wish->max_us / 1000000));
}

/* Where the frame belongs; one without a time stamp follows the last. */
static int64_t time_of(const struct pass *pass, const AVFrame *frame)
{
    if (frame->best_effort_timestamp == AV_NOPTS_VALUE)
        return pass->end_us;
    return av_rescale_q(frame->best_effort_timestamp, pass->stream->time_base, AV_TIME_BASE_Q) -
           pass->input->start_us;
}

static enum mr_status take_picture(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct pass *pass = ctx;
    const int64_t at_us = FFMAX(time_of(pass, frame), 0);
    const int64_t length_us = av_rescale_q(frame->pkt_duration, pass->stream->time_base, AV_TIME_BASE_Q);
    pass->end_us = FFMAX(pass->end_us, at_us + (length_us > 0 ? length_us : USUAL_FRAME_US));
    MR_TRY(check_length(pass, err));
    MR_TRY(mr_work_decoded(&pass->work, frame->width, frame->height, err));
    return mr_stills_offer(&pass->stills, frame, mr_geometry_turn_of(mr_demuxer_display_matrix(pass->input)),
                           at_us, err);
}

static enum mr_status hear_silence(struct pass *pass, int64_t us, struct mr_err *err)
{
    static const uint8_t silence[SILENCE * sizeof(float)];
    uint8_t *const planes[] = {(uint8_t *)(uintptr_t)silence};
    const struct mr_sample_block block = {planes, AV_SAMPLE_FMT_FLT, 1};
    const int rate = pass->waveform.sample_rate;
    pass->end_us += FFMAX(us, 0);
    MR_TRY(check_length(pass, err));
    for (int64_t left = av_rescale(us, rate, 1000000); left > 0; left -= SILENCE)
        MR_TRY(mr_waveform_hear(&pass->waveform, &block, rate, (int)FFMIN(left, SILENCE), err));
    return MR_OK;
}

static enum mr_status take_samples(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct pass *pass = ctx;
    if (frame->nb_samples <= 0)
        return MR_OK;
    const int rate = frame->sample_rate, channels = frame->ch_layout.nb_channels;
    const struct mr_sample_block block = {frame->extended_data, frame->format, channels};
    MR_TRY(mr_samples_check_form(rate, channels, err));
    if (!pass->waveform.sample_rate)
        pass->waveform.sample_rate = rate;
    if (rate != pass->waveform.sample_rate)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the sample rate of the audio changes");
    MR_TRY(mr_work_samples(&pass->work, frame->nb_samples, channels, err));
    MR_TRY(hear_silence(pass, mr_gaps_before(&pass->gaps, pass->stream, frame), err));
    pass->end_us += av_rescale(frame->nb_samples, 1000000, rate);
    MR_TRY(check_length(pass, err));
    return mr_waveform_hear(&pass->waveform, &block, rate, frame->nb_samples, err);
}

/* A parent that does not listen any more is about to kill us. */
static void report_progress(struct pass *pass)
{
    const int64_t now = mr_time_monotonic_us(), size = pass->input->source->size;
    if (now - pass->progress_at_us < PROGRESS_US)
        return;
    pass->progress_at_us = now;
    const int64_t done = av_clip64(avio_tell(pass->input->format->pb), 0, size);
    (void)!mr_client_progress(
        pass->parts->fds, (int)av_clip64(av_rescale(done, MR_PROGRESS_DONE, size), 0, MR_PROGRESS_DONE - 1));
}

static enum mr_status read_all(struct pass *pass, mr_frame_fn *take, struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    struct mr_discontinuity clock;
    if (!packet)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "make the previews");
    mr_discontinuity_init(&clock, pass->input);
    const enum mr_slot slot = take == take_picture ? MR_SLOT_VIDEO : MR_SLOT_AUDIO;
    int rc;
    while ((rc = mr_demuxer_read(pass->input, packet)) >= 0) {
        if (packet->stream_index == pass->stream->index) {
            mr_discontinuity_correct(&clock, slot, pass->stream->time_base, packet);
            MR_TRY(mr_decoder_push(&pass->decoder, packet, take, pass, err));
        }
        av_packet_unref(packet);
        report_progress(pass);
    }
    const struct mr_source *source = pass->input->source;
    if (source->failed)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the parent stopped serving input");
    if (rc != AVERROR_EOF && source->at < source->size)
        return mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the file cannot be read to its end");
    MR_TRY(mr_decoder_push(&pass->decoder, NULL, take, pass, err));
    return mr_decoder_check_damage(&pass->decoder, pass->parts->notes, err);
}

static enum mr_status write_stills(struct pass *pass, struct mr_err *err)
{
    const struct mr_options *options = pass->wish->options;
    if (!pass->stills.filmstrip.shown && !pass->stills.thumbnail.frame)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the video holds nothing that can be decoded");
    if (options->thumbnail_us > pass->end_us)
        mr_notes_dropped(pass->parts->notes, "thumbnail", "thumbnail.at is after the end of the video");
    else
        MR_TRY(mr_thumbnail_write(&pass->stills.thumbnail, pass->parts, err));
    return mr_filmstrip_write(&pass->stills.filmstrip, pass->parts, pass->end_us, pass->wish->name, err);
}

static enum mr_status decode(struct pass *pass, bool is_video, struct mr_err *err)
{
    AVCodecContext *context = is_video ? pass->input->video_decoder : pass->input->audios[0].decoder;
    pass->stream = is_video ? pass->input->video : pass->input->audio;
    MR_TRY(mr_decoder_init(&pass->decoder, context, err));
    pass->decoder.stream = is_video ? NULL : pass->stream;
    MR_TRY(read_all(pass, is_video ? take_picture : take_samples, err));
    return is_video ? write_stills(pass, err) : mr_waveform_write(&pass->waveform, pass->parts, err);
}

/* An input of its own: where the other pass ended is no place to begin. */
static enum mr_status run(const struct mr_previews_wish *wish, bool is_video, struct mr_parts *parts,
                          struct mr_err *err)
{
    const struct mr_options *options = wish->options;
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer input = {0};
    MR_TRY(wish->open(wish->ctx, is_video ? MR_WANT_VIDEO : MR_WANT_AUDIO, &source, &input, err));
    struct pass pass = {
        .wish = wish,
        .parts = parts,
        .work = wish->work,
        .input = &input,
        .gaps = mr_gaps_of(&input),
        .stills = mr_stills_for(options),
        .waveform = {.points = options->waveform_points, .height = options->waveform_height},
    };
    enum mr_status status = decode(&pass, is_video, err);
    mr_decoder_free(&pass.decoder);
    mr_stills_free(&pass.stills);
    mr_waveform_free(&pass.waveform);
    return status;
}

/* The file's fault is a note. A source that fails is none. */
static enum mr_status settle(enum mr_status status, const char *what, struct mr_parts *parts,
                             struct mr_err *err)
{
    if (status == MR_OK || !mr_code_is_verdict(err->code))
        return status;
    mr_notes_dropped(parts->notes, what, err->message);
    return MR_OK;
}

enum mr_status mr_previews_make(const struct mr_previews_wish *wish, struct mr_parts *parts,
                                struct mr_err *err)
{
    const struct mr_options *options = wish->options;
    const char *stills = options->filmstrip_frames == 0 ? "thumbnail"
                         : options->thumbnail_us < 0    ? "filmstrip"
                                                        : "thumbnail and filmstrip";
    if (mr_stills_are_wanted(options))
        MR_TRY(settle(run(wish, true, parts, err), stills, parts, err));
    if (options->waveform_points > 0)
        MR_TRY(settle(run(wish, false, parts, err), "waveform", parts, err));
    return MR_OK;
}
