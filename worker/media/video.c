#include "worker/media/video.h"

#include "worker/media/alpha.h"
#include "worker/media/copy_rules.h"
#include "worker/media/edits.h"

#include <errno.h>
#include <libavutil/common.h>

enum { SLACK_US = 1000 /* half of the coarsest time base there is */ };

static struct mr_video *video_of(struct mr_track *track)
{
    return (struct mr_video *)track;
}

static const struct mr_video *const_video_of(const struct mr_track *track)
{
    return (const struct mr_video *)track;
}

/* Whether the filters of all units of the video get more than their ranges, for what they make of a frame depends on those
 * around it, or a part of a split clip begins with the frame before. */
static bool filters_around(const struct mr_video *video)
{
    return video->clip.plan.is_constant || video->is_interlaced ||
           video->track.parts->timeline->part_us != INT64_MAX;
}

/* Then the filters of a unit begin before its range and end behind it, and make the frames that they would make of the whole. */
static enum mr_status put_filtered(struct mr_video *video, const AVFrame *frame, int64_t at,
                                   struct mr_err *err)
{
    const struct mr_unit_range *unit = video->track.parts->unit;
    struct mr_video_clip *clip = &video->clip;
    if (!unit || !filters_around(video))
        return mr_video_clip_put(clip, frame, at, err);
    int64_t at_us = av_rescale_q(at, clip->plan.base, AV_TIME_BASE_Q);
    if (unit->from_us > 0 && at_us < unit->begin_us - SLACK_US)
        return mr_video_clip_keep(clip, frame, err);
    clip->leads = at_us < unit->from_us - SLACK_US;
    bool is_behind = unit->to_us != INT64_MAX && at_us >= unit->to_us - SLACK_US;
    clip->is_done |= is_behind;
    return is_behind ? MR_OK : mr_video_clip_put(clip, frame, at, err);
}

static enum mr_status take_filtered(struct mr_video *video, struct mr_err *err)
{
    AVFrame *frame = video->filtered;
    for (;;) {
        bool got = false;
        MR_TRY(mr_filters_pull(&video->filters, frame, &got, err));
        if (!got)
            return MR_OK;
        int64_t at = av_rescale_q(frame->pts, mr_filters_time_base(&video->filters), video->clip.plan.base);
        MR_TRY(put_filtered(video, frame, at, err));
        av_frame_unref(frame);
    }
}

static enum mr_status drain_filters(struct mr_video *video, int64_t end_us, struct mr_err *err)
{
    if (!video->filters.graph)
        return MR_OK;
    MR_TRY(mr_filters_end(&video->filters, end_us, err));
    return take_filtered(video, err);
}

/* A stream may change its form in the middle: later frames are brought into that of the first. */
static void plan_geometry(struct mr_video *video, const AVFrame *frame, struct mr_geometry *ret)
{
    const struct mr_parts *parts = video->track.parts;
    const struct mr_geometry *first = &video->geometry;
    if (!video->is_planned)
        mr_geometry_plan(&video->geometry, frame, mr_demuxer_display_matrix(parts->input), parts->options,
                         parts->spec);
    if (!video->is_planned && video->clip.plan.holds_alpha && mr_alpha_is_used(frame))
        video->clip.plan.pixels = AV_PIX_FMT_YUVA420P;
    video->is_planned = true;
    video->clip.size = first->out;
    if (mr_geometry_is_for(first, frame)) {
        *ret = *first;
    } else {
        mr_geometry_fit(ret, frame, first->turn, first->out);
        ret->tells_colours = first->tells_colours;
        ret->background = first->background;
        video->sizes_changed = true;
    }
    video->deinterlaces |= frame->interlaced_frame;
    ret->deinterlaces = video->deinterlaces;
}

/* A rate that varies is known as an average, if at all. */
static enum mr_status plan_work(struct mr_video *video, struct mr_err *err)
{
    const struct mr_parts *parts = video->track.parts;
    struct mr_video_clip *clip = &video->clip;
    const struct mr_video_plan *plan = &clip->plan;
    double fps = av_q2d(plan->fps);
    AVRational average = video->track.stream->avg_frame_rate;
    clip->weight = mr_work_weight(plan->codec->name, parts->options->preset);
    if (clip->frames > 0 || (!plan->is_constant && average.num <= 0))
        return MR_OK;
    if (!plan->is_constant)
        fps = FFMIN(fps, av_q2d(average));
    return mr_work_plan_video(parts->work, clip->weight, clip->size.width, clip->size.height, fps,
                              mr_parts_expected_s(parts), err);
}

static enum mr_status open_filters(struct mr_video *video, const AVFrame *frame, struct mr_err *err)
{
    const struct mr_video_plan *plan = &video->clip.plan;
    struct mr_geometry geometry;
    char chain[MR_CHAIN_MAX];
    plan_geometry(video, frame, &geometry);
    int64_t most = video->track.decoder.context->max_pixels;
    if ((int64_t)geometry.out.width * geometry.out.height > most)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT,
                            "options.resize would make frames of %dx%d, more than %lld pixels",
                            geometry.out.width, geometry.out.height, (long long)most);
    MR_TRY(plan_work(video, err));
    mr_geometry_chain(&geometry, frame, plan->pixels, plan->is_constant ? plan->fps : (AVRational){0, 1},
                      chain);
    video->filters.threads = video->track.parts->threads;
    return mr_filters_open_video(&video->filters, frame, AV_TIME_BASE_Q, chain, err);
}

static bool is_fit(const struct mr_video *video, const AVFrame *frame)
{
    return mr_filters_fit(&video->filters, frame) && (video->deinterlaces || !frame->interlaced_frame);
}

/* Filters a frame that is shown from at_us of the clip on. Of two frames at one time the first one stays. */
static enum mr_status filter(struct mr_video *video, AVFrame *frame, int64_t at_us, struct mr_err *err)
{
    if (!is_fit(video, frame)) {
        MR_TRY(drain_filters(video, at_us, err));
        MR_TRY(open_filters(video, frame, err));
    }
    if (at_us <= video->last_us)
        return MR_OK;
    video->last_us = at_us;
    frame->pts = at_us;
    frame->pkt_duration = FFMAX(video->clip.end_us - at_us, 0);
    MR_TRY(mr_filters_push(&video->filters, frame, err));
    return take_filtered(video, err);
}

/* Where a frame belongs on the clip. One without a time stamp of its own may have that of its packet: too early,
 * where an earlier frame was shown then. */
static int64_t time_of(const struct mr_video *video, const AVFrame *frame)
{
    const struct mr_track *track = &video->track;
    if (frame->best_effort_timestamp == AV_NOPTS_VALUE)
        return track->next_us;
    int64_t at_us = av_rescale_q(frame->best_effort_timestamp, track->stream->time_base, AV_TIME_BASE_Q) -
                    track->parts->timeline->origin_us;
    return frame->pts == AV_NOPTS_VALUE && at_us <= video->last_us ? track->next_us : at_us;
}

static int64_t length_of(const struct mr_video *video, const AVFrame *frame)
{
    return frame->pkt_duration > 0
               ? av_rescale_q(frame->pkt_duration, video->track.stream->time_base, AV_TIME_BASE_Q)
               : mr_video_clip_usual_us(&video->clip);
}

/* Begins the clip with the frame that came before it, if there is one. It is shown until until_us. */
static enum mr_status begin_clip(struct mr_video *video, int64_t until_us, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *before = MR_TAKE(video->before);
    if (!before || until_us <= SLACK_US)
        return MR_OK;
    video->clip.end_us = until_us;
    return filter(video, before, 0, err);
}

/* Whether there is time for it before a frame that is shown from at_us on. */
static bool shows_before(const struct mr_video *video, int64_t at_us)
{
    return at_us > SLACK_US && av_rescale_q(at_us, AV_TIME_BASE_Q, video->clip.plan.base) > 0;
}

static enum mr_status keep_before(struct mr_video *video, const AVFrame *frame, struct mr_err *err)
{
    av_frame_free(&video->before);
    video->before = av_frame_clone(frame);
    return video->before ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
}

static enum mr_status witness(struct mr_video *video, const AVFrame *frame, struct mr_err *err)
{
    const struct mr_parts *parts = video->track.parts;
    mr_video_copy_witness(&video->copy, parts, frame);
    return mr_stills_offer(video->stills, frame, mr_geometry_turn_of(mr_demuxer_display_matrix(parts->input)),
                           time_of(video, frame), err);
}

/* Whether a frame is filtered for the unit. What came before its range may be damaged, as its decoder began in the middle. */
static bool is_of_unit(struct mr_video *video, struct mr_unit_range *unit, const AVFrame *frame,
                       int64_t at_us)
{
    const struct mr_decoder *decoder = &video->track.decoder;
    if (frame->pts == AV_NOPTS_VALUE || frame->pts != frame->best_effort_timestamp)
        unit->odd = "frames have no times of their own";
    if (video->is_interlaced && !frame->interlaced_frame)
        unit->odd = "not all of its frames are interlaced";
    if (unit->from_us > 0 && at_us < unit->begin_us) {
        unit->lead_damage = decoder->bad_packets + decoder->flawed_packets;
        return filters_around(video);
    }
    video->clip.leads = at_us < unit->from_us;
    video->clip.is_done |= !filters_around(video) && at_us >= unit->to_us;
    return !video->clip.is_done;
}

/* Beside units, one frame shows what form the output has. */
static bool has_form(const struct mr_video *video)
{
    return video->track.parts->joined && video->clip.encoder;
}

/* Then more of them are decoded for pictures alone. */
static bool needs_no_frame(const struct mr_video *video)
{
    return has_form(video) && !mr_stills_wait(video->stills);
}

static enum mr_status take_frame(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct mr_video *video = ctx;
    struct mr_video_clip *clip = &video->clip;
    struct mr_unit_range *unit = video->track.parts->unit;
    video->is_transparent = video->is_transparent || mr_alpha_is_used(frame);
    if (video->copies)
        return witness(video, frame, err);
    if (clip->is_done || needs_no_frame(video))
        return MR_OK;
    MR_TRY(mr_work_decoded(video->track.parts->work, frame->width, frame->height, err));
    int64_t at_us = time_of(video, frame), length_us = video->track.parts->timeline->length_us;
    if (unit && !is_of_unit(video, unit, frame, at_us))
        return MR_OK;
    video->track.next_us = at_us + length_of(video, frame);
    bool shows_form = video->track.parts->joined && !mr_stills_wait(video->stills);
    if (at_us < -SLACK_US && !shows_form)
        return keep_before(video, frame, err);
    at_us = FFMAX(at_us, 0);
    if (!shows_before(video, at_us))
        av_frame_free(&video->before);
    MR_TRY(begin_clip(video, FFMIN(at_us, length_us), err));
    bool is_late = mr_video_clip_ends_by(length_us, at_us);
    if (is_late && video->last_us < 0)
        at_us = 0; /* the clip ends before the first frame: better that one than none */
    else
        clip->is_done = is_late;
    clip->end_us = FFMAX(clip->end_us, FFMIN(video->track.next_us, length_us));
    return clip->is_done ? MR_OK : filter(video, frame, at_us, err);
}

/* A packet that an edit list hides goes into a copy only where the output's edit list hides it, too: copy_rules.c
 * lets no others pass that are needed. */
static enum mr_status copy(struct mr_video *video, AVPacket *packet, struct mr_err *err)
{
    bool is_hidden = packet->flags & AV_PKT_FLAG_DISCARD;
    if (is_hidden && (video->has_shown || !video->keeps_lead))
        return MR_OK;
    video->has_shown |= !is_hidden;
    return mr_video_copy_packet(&video->copy, video->track.parts, packet, err);
}

/* Of a copy that looks: whether the packet must be decoded nevertheless. */
static enum mr_status look(struct mr_video *video, const AVPacket *packet, bool *ret_decodes,
                           struct mr_err *err)
{
    struct mr_track *track = &video->track;
    enum mr_sight sight = mr_video_look(&video->look, track->stream->codecpar, packet);
    *ret_decodes = !video->has_decoded || sight == MR_SIGHT_NEW;
    if (!*ret_decodes && sight == MR_SIGHT_DAMAGED)
        return mr_parts_doubt(track->parts, err);
    if (!*ret_decodes)
        mr_decoder_count_unseen(&track->decoder, packet);
    return MR_OK;
}

static enum mr_status read_packet(struct mr_video *video, const AVPacket *packet, struct mr_err *err)
{
    struct mr_decoder *decoder = &video->track.decoder;
    bool decodes = true;
    if (video->looks)
        MR_TRY(look(video, packet, &decodes, err));
    if (!decodes)
        return MR_OK;
    MR_TRY(mr_decoder_push(decoder, packet, take_frame, video, err));
    video->has_decoded |= packet->flags & AV_PKT_FLAG_KEY;
    video->looks &= !mr_decoder_is_damaged(decoder);
    return MR_OK;
}

/* Whether a frame is shown on the clip. */
static bool count_shown(struct mr_video *video, int64_t at_us)
{
    if (at_us < -SLACK_US)
        video->joins_before = true;
    if (at_us < -SLACK_US || mr_video_clip_ends_by(video->track.parts->timeline->length_us, at_us))
        return false;
    video->joined_us = video->joined_packets ? FFMIN(video->joined_us, at_us) : at_us;
    video->joined_packets += !mr_video_clip_is_behind(&video->clip, at_us);
    return true;
}

/* No later packet can be shown on the clip. */
static bool is_behind(const struct mr_video *video, const AVPacket *packet)
{
    const struct mr_timeline *timeline = video->track.parts->timeline;
    int64_t dts_us = av_rescale_q(packet->dts, video->track.stream->time_base, AV_TIME_BASE_Q);
    return packet->dts != AV_NOPTS_VALUE && timeline->length_us != INT64_MAX &&
           mr_video_clip_ends_by(timeline->length_us, dts_us - timeline->origin_us);
}

/* The clip has as many frames as units have encoded of the input, as far as its packets say. At a constant rate it may end one
 * frame sooner or later than they say. */
static enum mr_status check_joined(const struct mr_video *video, struct mr_err *err)
{
    const struct mr_video_plan *plan = &video->clip.plan;
    const AVRational frame = av_inv_q(plan->fps);
    bool with_before = video->joins_before && shows_before(video, video->joined_us);
    int64_t made = mr_packets_reader_frames(video->track.parts->joined);
    int64_t wanted = video->joined_packets + with_before;
    if (plan->is_constant) {
        int64_t first = with_before ? 0 : av_rescale_q(FFMAX(video->joined_us, 0), AV_TIME_BASE_Q, frame);
        int64_t end = av_rescale_q(video->clip.end_us, AV_TIME_BASE_Q, frame);
        wanted = FFMIN(FFMAX(made, end - 1 - first), end + 1 - first);
    }
    if (made == wanted)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "units have %lld frames, and the file %lld",
                        (long long)made, (long long)wanted);
}

/* A packet whose frames units have encoded: it says how far the clip is. */
static enum mr_status count_joined(struct mr_video *video, const AVPacket *packet, struct mr_err *err)
{
    struct mr_track *track = &video->track;
    struct mr_video_clip *clip = &video->clip;
    if (packet->flags & AV_PKT_FLAG_DISCARD)
        return MR_OK;
    if (packet->pts == AV_NOPTS_VALUE)
        return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "packets have no times of their own");
    int64_t at_us = av_rescale_q(packet->pts, track->stream->time_base, AV_TIME_BASE_Q) -
                    track->parts->timeline->origin_us;
    int64_t length_us = packet->duration > 0
                            ? av_rescale_q(packet->duration, track->stream->time_base, AV_TIME_BASE_Q)
                            : mr_video_clip_usual_us(clip);
    if (count_shown(video, at_us)) {
        track->next_us = FFMAX(track->next_us, at_us + length_us);
        clip->end_us = FFMAX(clip->end_us, FFMIN(track->next_us, track->parts->timeline->length_us));
    }
    clip->is_done = clip->is_done || (needs_no_frame(video) && is_behind(video, packet));
    return has_form(video) ? mr_video_clip_join(clip, at_us, err) : MR_OK;
}

static enum mr_status take_packet(struct mr_track *track, AVPacket *packet, struct mr_err *err)
{
    struct mr_video *video = video_of(track);
    struct mr_parts *parts = track->parts;
    struct mr_video_plan *plan = &video->clip.plan;
    if (plan->fps.num == 0)
        MR_TRY(mr_video_plan(parts->spec, parts->options, parts->input, parts->threads, plan, err));
    if (needs_no_frame(video))
        mr_decoder_count_unseen(&track->decoder, packet);
    else
        MR_TRY(read_packet(video, packet, err));
    if (parts->joined)
        return count_joined(video, packet, err);
    return video->copies ? copy(video, packet, err) : MR_OK;
}

static enum mr_status pad(struct mr_track *track, int64_t until_us, struct mr_err *err)
{
    return mr_video_clip_pad(&video_of(track)->clip, until_us, err);
}

static enum mr_status drain(struct mr_track *track, struct mr_err *err)
{
    struct mr_video *video = video_of(track);
    struct mr_video_clip *clip = &video->clip;
    MR_TRY(mr_decoder_push(&track->decoder, NULL, take_frame, video, err));
    if (video->copies)
        return MR_OK;
    if (track->parts->joined)
        MR_TRY(check_joined(video, err));
    if (!clip->is_done)
        MR_TRY(begin_clip(video, FFMIN(track->next_us, track->parts->timeline->length_us), err));
    /* At a constant rate a clip shorter than half a frame would have none. */
    bool is_short = clip->plan.is_constant && clip->frames == 0 && video->last_us >= 0;
    return drain_filters(video, is_short ? FFMAX(clip->end_us, mr_video_clip_usual_us(clip)) : clip->end_us,
                         err);
}

static int64_t position(const struct mr_track *track)
{
    const struct mr_video *video = const_video_of(track);
    return video->copies ? video->copy.end_us : video->clip.end_us;
}

static enum mr_status finish(struct mr_track *track, int64_t end_us, struct mr_err *err)
{
    struct mr_video *video = video_of(track);
    (void)end_us; /* the others end with the video */
    return video->copies ? mr_parts_leave(track->parts, MR_SLOT_VIDEO, video->copy.end_us, err)
                         : mr_video_clip_finish(&video->clip, err);
}

static bool is_done(const struct mr_track *track)
{
    return const_video_of(track)->clip.is_done;
}

static bool is_empty(const struct mr_track *track)
{
    const struct mr_video *video = const_video_of(track);
    return video->copies ? video->copy.packets == 0 : video->clip.frames == 0;
}

static void free_video(struct mr_track *track)
{
    struct mr_video *video = video_of(track);
    mr_decoder_free(&track->decoder);
    mr_filters_close(&video->filters);
    av_frame_free(&video->filtered);
    av_frame_free(&video->before);
    mr_video_clip_free(&video->clip);
}

static const struct mr_track_ops ops = {
    .name = "video",
    .tolerance = {.share = 20, .min_us = 2 * 1000 * 1000, .max_us = 4 * 1000 * 1000},
    .packet = take_packet,
    .pad = pad,
    .drain = drain,
    .finish = finish,
    .position = position,
    .decoded = position,
    .is_done = is_done,
    .is_empty = is_empty,
    .free = free_video,
};

enum mr_status mr_video_init(struct mr_video *video, struct mr_parts *parts, const AVFrame *logo,
                             struct mr_stills *stills, struct mr_err *err)
{
    const struct mr_demuxer *input = parts->input;
    *video = (struct mr_video){.track = {.ops = &ops,
                                         .slot = MR_SLOT_VIDEO,
                                         .parts = parts,
                                         .stream = input->video,
                                         .declared_us = input->video_declared_us},
                               .filtered = av_frame_alloc(),
                               .stills = stills,
                               .last_us = -1};
    mr_video_clip_init(&video->clip, parts, logo, stills);
    video->copies = !mr_options_change(parts->options, MR_OF_VIDEO, true) &&
                    mr_copy_is_possible(input, input->video, parts->spec);
    video->keeps_lead = video->copies && mr_edits_of(input->video).hides_lead;
    if (!video->filtered)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the conversion up");
    const AVCodecParameters *params = input->video->codecpar;
    enum AVCodecID codec = params->codec_id;
    video->is_interlaced =
        params->field_order != AV_FIELD_PROGRESSIVE && params->field_order != AV_FIELD_UNKNOWN;
    bool is_simple = codec == AV_CODEC_ID_GIF; /* all of it can be decoded */
    bool spares = video->copies && !mr_stills_are_wanted(parts->options) && !mr_parts_decodes_copies(parts);
    if (spares && !is_simple)
        input->video_decoder->skip_frame = AVDISCARD_NONKEY;
    video->looks = spares && mr_video_look_is_known(codec) && !mr_alpha_decoder(input->video);
    return mr_decoder_init(&video->track.decoder, input->video_decoder, err);
}
