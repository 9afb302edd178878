#include "worker/media/pipeline.h"

#include "shared/base/clock.h"
#include "worker/media/completeness.h"
#include "worker/media/cuts.h"
#include "worker/media/progress.h"
#include "worker/media/streams.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <libavutil/common.h>

enum {
    PROGRESS_US = 250 * 1000,
    ESTIMATE_SLACK_US = 10 * 1000 * 1000, /* the file may be this much longer than estimated */
    SEEK_MIN_US = 2 * 1000 * 1000,        /* less is not worth a seek */
    SEEK_BEFORE_US =
        1000, /* more than a tick of the coarsest time base: the key frame of a range is not meant */
    SEEK_EARLY_US = 250 * 1000, /* an audio decoder needs a few frames before the first good one */
    SEEK_BLIND_US =
        12 * 1000 * 1000, /* MPEG streams are not searched for a key frame: one should be in this */
};

static enum mr_status too_long(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the file is longer than %lld s",
                        (long long)(pipeline->max_us / 1000000));
}

static enum mr_status thumbnail_too_late(int64_t end_us, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_BAD_OPTION,
                        "options.thumbnail.at must be before the end of the video, at %.3f s",
                        (double)end_us / 1e6);
}

/* What can be known before any work is done. */
static enum mr_status check_options(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_options *options = pipeline->options;
    int64_t all = pipeline->input->estimated_us;
    if (all <= 0 || mr_demuxer_is_mpeg(pipeline->input)) /* whose last time stamp may be anything */
        return MR_OK;
    if (all > pipeline->max_us)
        return too_long(pipeline, err);
    if (options->trim_start_us >= all + ESTIMATE_SLACK_US)
        return mr_fail_code(err, MR_CODE_BAD_OPTION,
                            "options.trim.start must be before the end of the file, at %.3f s",
                            (double)all / 1e6);
    if (options->thumbnail_us >= all + ESTIMATE_SLACK_US + options->intro_us + options->outro_us)
        return thumbnail_too_late(all, err);
    int64_t clip = mr_options_clip_us(options, all);
    if (options->split_us && clip / options->split_us > MR_OUTPUTS_MAX - mr_options_extras(options))
        return mr_fail_code(
            err, MR_CODE_TOO_MANY_PARTS, "options.split.seconds would make %lld parts, more than %d",
            (long long)(clip / options->split_us), MR_OUTPUTS_MAX - mr_options_extras(options));
    return MR_OK;
}

static enum mr_status init_tracks(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_demuxer *input = pipeline->input;
    struct mr_parts *parts = &pipeline->parts;
    struct mr_track **tracks = pipeline->tracks;
    const struct mr_options *options = pipeline->options;
    const struct mr_unit_range *unit = pipeline->unit;
    const bool has_video = input->video && !(unit && unit->is_audio), has_others = !unit;
    const size_t audio_count = !unit || unit->is_audio ? input->audio_count : 0;
    if (has_video)
        tracks[MR_SLOT_VIDEO] = &pipeline->video.track;
    for (size_t i = 0; i < audio_count; i++)
        tracks[MR_SLOT_AUDIO + i] = &pipeline->audios[i].track;
    for (size_t i = 0; has_others && i < input->text_count; i++)
        tracks[MR_SLOT_SUBTITLE + i] = &pipeline->texts[i].track;
    for (size_t i = 0; i < MR_SLOTS; i++)
        parts->expects[i] = tracks[i];
    if (has_video)
        MR_TRY(mr_video_init(&pipeline->video, parts, pipeline->logo, &pipeline->stills, err));
    for (size_t i = 0; i < audio_count; i++)
        MR_TRY(mr_audio_init(&pipeline->audios[i], parts, i, &pipeline->sync, &pipeline->gains[i], err));
    for (size_t i = 0; has_others && options->waveform_points && i < input->audio_count; i++)
        if (input->audios[i].stream == input->audio)
            pipeline->audios[i].clip.waveform = &pipeline->waveform;
    for (size_t i = 0; has_others && i < input->text_count; i++)
        MR_TRY(mr_subtitles_init(&pipeline->texts[i], parts, i, err));
    return MR_OK;
}

enum mr_status mr_pipeline_init(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_options *options = pipeline->options;
    mr_timeline_plan(&pipeline->timeline, pipeline->input, options, pipeline->max_us, pipeline->logo);
    mr_discontinuity_init(&pipeline->clock, pipeline->input);
    pipeline->parts = (struct mr_parts){.spec = pipeline->spec,
                                        .options = options,
                                        .input = pipeline->input,
                                        .fds = pipeline->fds,
                                        .notes = pipeline->notes,
                                        .timeline = &pipeline->timeline,
                                        .encode_audio = pipeline->encode_audio,
                                        .threads = pipeline->threads,
                                        .unit = pipeline->unit,
                                        .joined = pipeline->joined,
                                        .joined_audio = pipeline->joined_audio,
                                        .work = &pipeline->work};
    pipeline->sync = (struct mr_sync){.parts = &pipeline->parts, .tracks = pipeline->tracks};
    pipeline->stills = pipeline->unit ? mr_stills_for_none() : mr_stills_for(options);
    pipeline->waveform =
        (struct mr_waveform){.points = options->waveform_points, .height = options->waveform_height};
    pipeline->packet = av_packet_alloc();
    if (!pipeline->packet)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the conversion up");
    MR_TRY(check_options(pipeline, err));
    MR_TRY(mr_parts_init(&pipeline->parts, err));
    return init_tracks(pipeline, err);
}

void mr_pipeline_close(struct mr_pipeline *pipeline)
{
    for (size_t i = 0; i < MR_SLOTS; i++)
        mr_track_free(pipeline->tracks[i]);
    mr_stills_free(&pipeline->stills);
    mr_waveform_free(&pipeline->waveform);
    mr_parts_free(&pipeline->parts);
    av_packet_free(&pipeline->packet);
}

const struct mr_audio *mr_pipeline_main_audio(const struct mr_pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->input->audio_count; i++)
        if (pipeline->input->audios[i].stream == pipeline->input->audio)
            return &pipeline->audios[i];
    return NULL;
}

int64_t mr_pipeline_decoded_us(const struct mr_pipeline *pipeline)
{
    int64_t decoded = 0;
    for (size_t i = 0; i < MR_SLOTS; i++)
        decoded = FFMAX(decoded, mr_track_decoded_us(pipeline->tracks[i]));
    return decoded;
}

/* As mr_progress_of takes it. Of an input with video, audio that was decoded before the clip does not count. */
static int64_t reached_us(const struct mr_pipeline *pipeline)
{
    const struct mr_track *video = pipeline->tracks[MR_SLOT_VIDEO];
    if (!pipeline->timeline.is_timed)
        return mr_pipeline_decoded_us(pipeline);
    return mr_track_position_us(mr_track_is_active(video) ? video : pipeline->tracks[MR_SLOT_AUDIO]);
}

/* A parent that does not listen any more is about to kill us; there is nobody to report to. */
static void report_progress(struct mr_pipeline *pipeline)
{
    int64_t now = mr_time_monotonic_us();
    if (now - pipeline->progress_at_us < PROGRESS_US)
        return;
    pipeline->progress_at_us = now;
    const struct mr_demuxer *input = pipeline->input;
    const struct mr_progress made =
        mr_progress_of(pipeline->options, pipeline->unit, input, reached_us(pipeline));
    int64_t done = made.done_us, all = made.all_us;
    if (all == 0)
        done = avio_tell(input->format->pb), all = input->source->size;
    if (all > 0)
        (void)!mr_client_progress(
            pipeline->fds, (int)av_clip64(av_rescale(done, MR_PROGRESS_DONE, all), 0, MR_PROGRESS_DONE - 1));
}

/* To the key frame before the clip. Where the demuxer cannot, the file is read from the beginning. */
static void seek_to_start(const struct mr_pipeline *pipeline)
{
    const struct mr_timeline *timeline = &pipeline->timeline;
    AVFormatContext *format = pipeline->input->format;
    int64_t early_us = mr_demuxer_is_mpeg(pipeline->input) ? SEEK_BLIND_US : SEEK_EARLY_US;
    if (!timeline->is_timed || timeline->skip_us < early_us + SEEK_MIN_US)
        return;
    int64_t target = timeline->origin_us - early_us;
    if (avformat_seek_file(format, -1, INT64_MIN, target, target, 0) < 0)
        (void)!av_seek_frame(format, -1, pipeline->input->start_us, AVSEEK_FLAG_BACKWARD);
}

/* Where time stamps count, one alone can make the output longer than any recording. */
static enum mr_status check_time(const struct mr_pipeline *pipeline, const struct mr_track *track,
                                 const AVPacket *packet, struct mr_err *err)
{
    int64_t at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (!pipeline->timeline.is_timed || at == AV_NOPTS_VALUE)
        return MR_OK;
    AVRational base = track->stream->time_base;
    int64_t end_us =
        av_rescale_q(at, base, AV_TIME_BASE_Q) + av_rescale_q(packet->duration, base, AV_TIME_BASE_Q);
    return mr_timeline_check(&pipeline->timeline, end_us - pipeline->input->start_us, err);
}

/* Something of a stream that nobody waits for any longer: a result without it would be a lie. */
static enum mr_status miss(const struct mr_pipeline *pipeline, const AVPacket *packet, struct mr_err *err)
{
    const AVStream *stream = pipeline->input->format->streams[packet->stream_index];
    char name[MR_STREAM_NAME_MAX];
    mr_streams_name(stream, name);
    return mr_fail_code(err, MR_CODE_INVALID_MEDIA,
                        "%s begins in the middle of the file and cannot be recognized at its beginning",
                        name);
}

/* Gives the packet to its track, if there is one. */
static enum mr_status take_packet(struct mr_pipeline *pipeline, AVPacket *packet, struct mr_err *err)
{
    for (size_t i = 0; i < MR_SLOTS; i++) {
        struct mr_track *track = pipeline->tracks[i];
        if (!track || track->stream->index != packet->stream_index)
            continue;
        if (!mr_track_is_active(track))
            return miss(pipeline, packet, err);
        mr_discontinuity_correct(&pipeline->clock, track->slot, track->stream->time_base, packet);
        if (track->slot < MR_SLOT_SUBTITLE) /* a text where no video can be is left out */
            MR_TRY(check_time(pipeline, track, packet, err));
        return mr_track_packet(track, packet, err);
    }
    return MR_OK;
}

/* Reads as much of the input as the tracks need. */
static enum mr_status read_packets(struct mr_pipeline *pipeline, struct mr_err *err)
{
    int rc = 0;
    AVPacket *packet = pipeline->packet;
    while (!mr_sync_is_over(&pipeline->sync) && (rc = mr_demuxer_read(pipeline->input, packet)) >= 0) {
        MR_TRY(take_packet(pipeline, packet, err));
        av_packet_unref(packet);
        MR_TRY(mr_sync_step(&pipeline->sync, err));
        if (mr_pipeline_decoded_us(pipeline) > pipeline->max_us)
            return too_long(pipeline, err);
        report_progress(pipeline);
    }
    return mr_completeness_judge_end(pipeline->tracks, pipeline->input->source, rc, err);
}

/* Empties the decoders, and compares what came out with what the file declares. */
static enum mr_status drain(struct mr_pipeline *pipeline, struct mr_err *err)
{
    bool is_whole = pipeline->options->trim_us == INT64_MAX && pipeline->options->trim_start_us == 0;
    for (size_t i = 0; i < MR_SLOTS; i++)
        MR_TRY(mr_track_drain(pipeline->tracks[i], err));
    MR_TRY(mr_completeness_check(pipeline->tracks, &pipeline->parts, is_whole, err));
    mr_discontinuity_note(&pipeline->clock, pipeline->notes);
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (mr_track_is_empty(pipeline->tracks[i]))
            mr_track_give_up(pipeline->tracks[i]);
    return MR_OK;
}

/* A picture of a time that the first output does not have would show another one. */
static enum mr_status write_stills(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_timeline *timeline = &pipeline->timeline;
    struct mr_stills *stills = &pipeline->stills;
    int64_t end_us = FFMIN(mr_track_position_us(pipeline->tracks[MR_SLOT_VIDEO]), timeline->part_us) +
                     timeline->intro_us + timeline->outro_us;
    if (stills->thumbnail.at_us > end_us)
        return thumbnail_too_late(end_us, err);
    MR_TRY(mr_thumbnail_write(&stills->thumbnail, &pipeline->parts, err));
    return mr_filmstrip_write(&stills->filmstrip, &pipeline->parts, end_us, pipeline->name, err);
}

/* Video first: where it ends, audio may have to end. */
static enum mr_status finish(struct mr_pipeline *pipeline, struct mr_err *err)
{
    MR_TRY(mr_track_finish(pipeline->tracks[MR_SLOT_VIDEO], INT64_MAX, err));
    for (size_t i = MR_SLOT_AUDIO; i < MR_SLOTS; i++)
        MR_TRY(mr_track_finish(pipeline->tracks[i], mr_sync_audio_end_us(&pipeline->sync), err));
    MR_TRY(write_stills(pipeline, err));
    return mr_waveform_write(&pipeline->waveform, &pipeline->parts, err);
}

/* To the key frame before the unit begins, so that a decoder has what frames at its beginning refer to. Audio is decoded from the
 * beginning: no codec's decoder is surely in the same state otherwise. */
static enum mr_status seek_to_unit(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_demuxer *input = pipeline->input;
    AVStream *video = input->video;
    const AVStream *wanted = pipeline->unit->is_audio ? input->audio : video;
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        if (input->format->streams[i] != wanted)
            input->format->streams[i]->discard = AVDISCARD_ALL;
    int64_t skip_us = pipeline->options->trim_start_us + pipeline->unit->begin_us;
    if (skip_us <= 0 || pipeline->unit->is_audio)
        return MR_OK;
    int64_t at_us = input->start_us + skip_us - mr_cuts_lead_us(video) - SEEK_BEFORE_US;
    int64_t at = av_rescale_q(at_us, AV_TIME_BASE_Q, video->time_base);
    int rc = avformat_seek_file(input->format, video->index, INT64_MIN, at, at, 0);
    return rc >= 0 ? MR_OK : mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "the file cannot be sought in");
}

/* What is odd about the video would be counted, or decided, over the whole file. */
static const char *oddity_of(const struct mr_pipeline *pipeline)
{
    const struct mr_video *video = &pipeline->video;
    const struct mr_decoder *decoder = &video->track.decoder;
    if (pipeline->unit->odd)
        return pipeline->unit->odd;
    if (decoder->bad_packets + decoder->flawed_packets > pipeline->unit->lead_damage)
        return "packets are damaged";
    if (video->deinterlaces && !video->is_interlaced)
        return "frames are interlaced";
    if (video->sizes_changed || video->is_transparent || video->clip.dropped)
        return "the form or the times of its frames change";
    return video->clip.frames == 0 ? "a unit has no frames" : NULL;
}

/* Damage and holes in audio are the join's matter, which decodes the same. */
static enum mr_status check_unit(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    const char *oddity = pipeline->unit->is_audio ? NULL : oddity_of(pipeline);
    if (pipeline->unit->is_audio && mr_track_is_empty(pipeline->tracks[MR_SLOT_AUDIO]))
        oddity = "a unit has no audio";
    return oddity ? mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "%s", oddity) : MR_OK;
}

enum mr_status mr_pipeline_run_unit(struct mr_pipeline *pipeline, struct mr_err *err)
{
    struct mr_track *track = pipeline->tracks[pipeline->unit->is_audio ? MR_SLOT_AUDIO : MR_SLOT_VIDEO];
    MR_TRY(seek_to_unit(pipeline, err));
    MR_TRY(read_packets(pipeline, err));
    MR_TRY(mr_track_drain(track, err));
    MR_TRY(check_unit(pipeline, err));
    return mr_track_finish(track, INT64_MAX, err);
}

enum mr_status mr_pipeline_run(struct mr_pipeline *pipeline, struct mr_err *err)
{
    seek_to_start(pipeline);
    MR_TRY(read_packets(pipeline, err));
    MR_TRY(drain(pipeline, err));
    return finish(pipeline, err);
}
