#include "worker/media/pipeline.h"

#include "shared/base/encoding.h"
#include "worker/media/cut.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <libavutil/common.h>

enum {
    PROGRESS_US = 250 * 1000,
    MISSING_MIN_US = 250 * 1000, /* padding of codecs explains less than this */
    MISSING_MAX_US = 2 * 1000 * 1000,
    LAG_US = 10 * 1000 * 1000,     /* how far a track may be behind the other where parts wait for both */
    LATE_US = 2 * 1000 * 1000,     /* how long the picture's packets wait for the first of the sound's */
    SEEK_MIN_US = 2 * 1000 * 1000, /* less is not worth a seek */
    SEEK_EARLY_US = 250 * 1000,    /* a decoder of sound needs a few frames to find its feet */
    HIDDEN_KEPT_US = 30 * 1000,
    SEEK_BLIND_US =
        12 * 1000 * 1000, /* MPEG streams are not searched for a key frame: one should be in this */
};

/* ---- setting up ---- */

static void plan_timeline(struct mr_pipeline *pipeline)
{
    const struct mr_options *options = pipeline->options;
    struct mr_timeline *timeline = &pipeline->timeline;
    bool has_logo = pipeline->logo && (options->intro_us || options->outro_us);
    *timeline = (struct mr_timeline){
        .is_timed = pipeline->input->video,
        .origin_us = pipeline->input->start_us + options->trim_start_us,
        .skip_us = options->trim_start_us,
        .length_us = options->trim_us,
        .part_us = options->split_us ? options->split_us : INT64_MAX,
        .intro_us = has_logo ? options->intro_us : 0,
        .outro_us = has_logo ? options->outro_us : 0,
        .pads = pipeline->input->video && (options->split_us || has_logo),
    };
}

static enum mr_status too_long(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the file is longer than %lld s",
                        (long long)(pipeline->max_us / 1000000));
}

/* What can be known before any work is done. */
static enum mr_status check_options(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_options *options = pipeline->options;
    int64_t all = pipeline->input->estimated_us;
    if (all <= 0 || mr_demuxer_is_mpeg(pipeline->input)) /* whose last time stamp may be any */
        return MR_OK;
    if (all > pipeline->max_us)
        return too_long(pipeline, err);
    if (options->trim_start_us >= all + LAG_US)
        return mr_fail_code(err, MR_CODE_BAD_OPTION,
                            "options.trim.start: the file ends at %.3f s, before the piece begins",
                            (double)all / 1e6);
    int64_t clip = FFMIN(options->trim_us, all - options->trim_start_us);
    if (options->split_us && clip / options->split_us >= MR_OUTPUTS_MAX)
        return mr_fail_code(err, MR_CODE_TOO_MANY_PARTS,
                            "options.split.seconds: the film would have %lld parts, more than %d",
                            (long long)(clip / options->split_us), MR_OUTPUTS_MAX);
    return MR_OK;
}

enum mr_status mr_pipeline_init(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_demuxer *input = pipeline->input;
    plan_timeline(pipeline);
    mr_discontinuity_init(&pipeline->line, input);
    pipeline->parts = (struct mr_parts){.spec = pipeline->spec,
                                        .options = pipeline->options,
                                        .input = input,
                                        .fds = pipeline->fds,
                                        .notes = pipeline->notes,
                                        .timeline = &pipeline->timeline};
    pipeline->packet = av_packet_alloc();
    if (!pipeline->packet)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the conversion up");
    enum mr_status status = check_options(pipeline, err);
    if (!status)
        status = mr_parts_init(&pipeline->parts, err);
    if (!status && input->audio) {
        pipeline->parts.has[MR_SLOT_AUDIO] = true;
        status = mr_audio_init(&pipeline->audio, &pipeline->parts, pipeline->gain, err);
    }
    if (!status && input->video) {
        pipeline->parts.has[MR_SLOT_VIDEO] = true;
        status = mr_video_init(&pipeline->video, &pipeline->parts, pipeline->logo, err);
    }
    return status ? status : mr_subtitles_init(&pipeline->subtitles, &pipeline->parts, err);
}

void mr_pipeline_close(struct mr_pipeline *pipeline)
{
    mr_audio_free(&pipeline->audio);
    mr_video_free(&pipeline->video);
    mr_subtitles_free(&pipeline->subtitles);
    mr_parts_free(&pipeline->parts);
    av_packet_free(&pipeline->packet);
}

/* ---- running ---- */

static bool has(const struct mr_pipeline *pipeline, enum mr_slot slot)
{
    return pipeline->parts.has[slot];
}

int64_t mr_pipeline_decoded_us(const struct mr_pipeline *pipeline)
{
    int64_t sound = has(pipeline, MR_SLOT_AUDIO) ? mr_audio_decoded_us(&pipeline->audio) : 0;
    return has(pipeline, MR_SLOT_VIDEO) ? FFMAX(mr_video_position_us(&pipeline->video), sound) : sound;
}

/* A parent that does not listen any more is about to kill us; nothing to report to it. */
static void report_progress(struct mr_pipeline *pipeline)
{
    int64_t now = mr_time_monotonic_us();
    if (now - pipeline->progress_at_us < PROGRESS_US)
        return;
    pipeline->progress_at_us = now;
    const struct mr_demuxer *input = pipeline->input;
    int64_t done = mr_pipeline_decoded_us(pipeline), all = input->estimated_us;
    all = FFMIN(all, pipeline->timeline.length_us);
    if (all <= 0)
        done = avio_tell(input->format->pb), all = input->source->size;
    if (all > 0)
        (void)!mr_client_progress(
            pipeline->fds, (int)av_clip64(av_rescale(done, MR_PROGRESS_DONE, all), 0, MR_PROGRESS_DONE - 1));
}

/* To the key frame before the piece. A demuxer that cannot is read from the beginning. */
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

/* Outputs wait for all of their tracks: one that has nothing to say is not waited for. */
static enum mr_status keep_step(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_timeline *timeline = &pipeline->timeline;
    struct mr_audio *audio = &pipeline->audio;
    if (!has(pipeline, MR_SLOT_VIDEO) || !has(pipeline, MR_SLOT_AUDIO))
        return MR_OK;
    int64_t sound = mr_audio_position_us(audio), picture = mr_video_position_us(&pipeline->video);
    pipeline->parts.picture_us = picture;
    enum mr_status status = picture - sound > LATE_US ? mr_audio_begin_late(audio, err) : MR_OK;
    if (!status && !audio->copies)
        status = mr_audio_advance(audio, err);
    if (status || timeline->part_us == INT64_MAX)
        return status;
    if (picture - sound > LAG_US)
        return mr_audio_pad(audio, picture - LAG_US, err);
    if (sound - picture > LAG_US)
        return mr_video_pad(&pipeline->video, sound - LAG_US, err);
    return MR_OK;
}

/* Sound that an edit list leaves out, but for what a decoder needs to find its feet. */
static bool is_hidden_sound(const struct mr_pipeline *pipeline, enum mr_slot slot, const AVPacket *packet)
{
    if (slot != MR_SLOT_AUDIO || !(packet->flags & AV_PKT_FLAG_DISCARD) || packet->pts == AV_NOPTS_VALUE)
        return false;
    const AVStream *stream = pipeline->input->audio;
    int64_t end_us = av_rescale_q(packet->pts + packet->duration, stream->time_base, AV_TIME_BASE_Q);
    return end_us < pipeline->input->start_us - HIDDEN_KEPT_US;
}

static enum mr_status take_packet(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_demuxer *input = pipeline->input;
    AVPacket *packet = pipeline->packet;
    const AVStream *const streams[MR_SLOTS] = {
        [MR_SLOT_VIDEO] = input->video, [MR_SLOT_AUDIO] = input->audio, [MR_SLOT_SUBTITLE] = input->subtitle};
    enum mr_slot slot = 0;
    while (slot < MR_SLOTS && (!streams[slot] || streams[slot]->index != packet->stream_index))
        slot++;
    if (slot == MR_SLOTS || (slot != MR_SLOT_SUBTITLE && !has(pipeline, slot)) ||
        is_hidden_sound(pipeline, slot, packet))
        return MR_OK;
    mr_discontinuity_mend(&pipeline->line, slot, streams[slot]->time_base, packet);
    if (slot == MR_SLOT_SUBTITLE)
        return mr_subtitles_packet(&pipeline->subtitles, packet, err);
    if (slot == MR_SLOT_VIDEO)
        return pipeline->video.is_done ? MR_OK : mr_video_packet(&pipeline->video, packet, err);
    return pipeline->audio.clip.is_done ? MR_OK : mr_audio_packet(&pipeline->audio, packet, err);
}

static bool all_done(const struct mr_pipeline *pipeline)
{
    bool picture = !has(pipeline, MR_SLOT_VIDEO) || pipeline->video.is_done;
    bool sound = !has(pipeline, MR_SLOT_AUDIO) || pipeline->audio.clip.is_done;
    /* A hole in the sound at the end of the piece: what comes after is of no use. */
    if (has(pipeline, MR_SLOT_VIDEO) && pipeline->video.is_done && !sound)
        sound = pipeline->video.next_us - pipeline->timeline.length_us > LAG_US;
    return picture && sound;
}

/* Why did the demuxer stop? Some report a packet cut by the end of the file as a failed read. */
static enum mr_status judge_end(struct mr_pipeline *pipeline, int rc, struct mr_err *err)
{
    const struct mr_source *source = pipeline->input->source;
    if (source->failed)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the parent stopped to read");
    if (rc >= 0 || rc == AVERROR_EOF)
        return MR_OK;
    if (rc == AVERROR(ENOMEM) || source->at < source->size)
        return mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the file cannot be read to its end");
    mr_decoder_count_cut(has(pipeline, MR_SLOT_VIDEO) ? &pipeline->video.decoder : &pipeline->audio.decoder);
    return MR_OK;
}

/* ---- the end ---- */

static enum mr_status too_short(int64_t declared, int64_t decoded, const char *what, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_TRUNCATED,
                        "the file breaks off: it declares %.3f s of %s and holds %.3f s",
                        (double)declared / 1e6, what, (double)decoded / 1e6);
}

/* A piece ends where it was told to. */
static bool is_whole(const struct mr_pipeline *pipeline)
{
    return pipeline->options->trim_us == INT64_MAX && pipeline->options->trim_start_us == 0;
}

static enum mr_status check_lengths(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    const struct mr_demuxer *input = pipeline->input;
    if (!is_whole(pipeline))
        return MR_OK;
    if (has(pipeline, MR_SLOT_AUDIO)) {
        int64_t declared = input->declared_us, decoded = mr_audio_decoded_us(&pipeline->audio);
        if (pipeline->timeline.is_timed) /* there may be holes */
            decoded = FFMAX(decoded, mr_audio_position_us(&pipeline->audio));
        if (declared >= 0 && declared - decoded > av_clip64(declared / 100, MISSING_MIN_US, MISSING_MAX_US))
            return too_short(declared, decoded, "audio", err);
    }
    if (has(pipeline, MR_SLOT_VIDEO)) {
        int64_t declared = input->video_declared_us, seen = mr_video_position_us(&pipeline->video);
        if (declared >= 0 && declared - seen > av_clip64(declared / 20, MISSING_MAX_US, 2 * MISSING_MAX_US))
            return too_short(declared, seen, "video", err);
    }
    return MR_OK;
}

/* A file that states no length (CBR MP3 without a Xing header, ADTS, MPEG-TS) and is cut between two packets
 * cannot be told from a whole one. */
static void warn_of_cut(const struct mr_pipeline *pipeline)
{
    struct mr_notes *notes = pipeline->notes;
    if (mr_cut_ogg_is_open(pipeline->input->source))
        mr_notes_warn(notes, MR_CODE_TRUNCATED,
                      "the file does not end as an Ogg file should: its end may be missing");
    else if (pipeline->input->missing_bytes)
        mr_notes_warn(notes, MR_CODE_TRUNCATED, "%lld bytes are missing at the end of the file",
                      (long long)pipeline->input->missing_bytes);
    else if ((has(pipeline, MR_SLOT_AUDIO) && mr_decoder_ends_badly(&pipeline->audio.decoder)) ||
             (has(pipeline, MR_SLOT_VIDEO) && mr_decoder_ends_badly(&pipeline->video.decoder)))
        mr_notes_warn(notes, MR_CODE_TRUNCATED,
                      "the last packet is damaged: the end of the file may be missing");
}

static enum mr_status nothing_there(const struct mr_pipeline *pipeline, const char *what, struct mr_err *err)
{
    if (pipeline->options->trim_start_us)
        return mr_fail_code(err, MR_CODE_BAD_OPTION,
                            "options.trim.start: the file ends before the piece begins");
    return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file holds no %s that can be decoded", what);
}

static enum mr_status check_damage(struct mr_pipeline *pipeline, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (has(pipeline, MR_SLOT_VIDEO) && pipeline->video.frames == 0)
        return nothing_there(pipeline, "picture", err);
    if (has(pipeline, MR_SLOT_AUDIO) && mr_audio_is_empty(&pipeline->audio) && !has(pipeline, MR_SLOT_VIDEO))
        return nothing_there(pipeline, "audio", err);
    if (has(pipeline, MR_SLOT_VIDEO))
        status = mr_decoder_check_damage(&pipeline->video.decoder, pipeline->notes, err);
    if (!status && has(pipeline, MR_SLOT_AUDIO))
        status = mr_decoder_check_damage(&pipeline->audio.decoder, pipeline->notes, err);
    return status;
}

static enum mr_status drain(struct mr_pipeline *pipeline, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (has(pipeline, MR_SLOT_VIDEO))
        status = mr_video_drain(&pipeline->video, err);
    if (!status && has(pipeline, MR_SLOT_AUDIO))
        status = mr_audio_drain(&pipeline->audio, err);
    if (!status)
        status = check_damage(pipeline, err);
    if (!status)
        status = check_lengths(pipeline, err);
    if (status)
        return status;
    warn_of_cut(pipeline);
    mr_discontinuity_note(&pipeline->line, pipeline->notes);
    return MR_OK;
}

static enum mr_status finish(struct mr_pipeline *pipeline, struct mr_err *err)
{
    enum mr_status status = drain(pipeline, err);
    if (status)
        return status;
    if (has(pipeline, MR_SLOT_AUDIO) && mr_audio_is_empty(&pipeline->audio)) {
        mr_notes_dropped(pipeline->notes, "audio", "it holds nothing that can be decoded");
        mr_parts_give_up(&pipeline->parts, MR_SLOT_AUDIO);
    }
    int64_t end_us = INT64_MAX;
    if (has(pipeline, MR_SLOT_VIDEO))
        status = mr_video_finish(&pipeline->video, err);
    if (pipeline->timeline.pads) /* no part of sound alone */
        end_us = FFMIN(mr_video_position_us(&pipeline->video),
                       mr_timeline_part(&pipeline->timeline, pipeline->video.part));
    if (!status && has(pipeline, MR_SLOT_AUDIO))
        status = mr_audio_finish(&pipeline->audio, end_us, err);
    if (!status && has(pipeline, MR_SLOT_VIDEO))
        status = mr_video_write_thumbnail(&pipeline->video, err);
    return status;
}

enum mr_status mr_pipeline_run(struct mr_pipeline *pipeline, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    int rc = 0;
    seek_to_start(pipeline);
    while (!status && !all_done(pipeline) &&
           (rc = av_read_frame(pipeline->input->format, pipeline->packet)) >= 0) {
        status = take_packet(pipeline, err);
        av_packet_unref(pipeline->packet);
        if (!status)
            status = keep_step(pipeline, err);
        if (!status && mr_pipeline_decoded_us(pipeline) > pipeline->max_us)
            status = too_long(pipeline, err);
        report_progress(pipeline);
    }
    if (!status)
        status = judge_end(pipeline, rc, err);
    return status ? status : finish(pipeline, err);
}
