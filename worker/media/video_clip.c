#include "worker/media/video_clip.h"

#include "worker/media/filters.h"

#include <errno.h>
#include <libavutil/common.h>

enum {
    SLACK_US = 1000, /* half of the coarsest time base there is */
    SETTLE_US = 5 * 1000 * 1000,
    SETTLE_LEAST_US = 2 * 1000 * 1000,
    SETTLE_PARTS = 6, /* settle_us */
    JOIN_LAST = 64,   /* packets: more than an encoder reorders, so that the last one shown is among them */
    SLIVER_US = 50 * 1000, /* less at the end of the video does not make a part */
    MICRO = 1000000,
};

/* How much an encoder gets before a unit's range to find the quality that its bit rate allows. The last range is long enough. */
static int64_t settle_us(const struct mr_unit_range *unit)
{
    int64_t range_us = unit->to_us == INT64_MAX ? INT64_MAX : unit->to_us - unit->from_us;
    return FFMAX(FFMIN(range_us / SETTLE_PARTS, SETTLE_US), SETTLE_LEAST_US);
}

/* An encoder of one run is new at the beginning of a part. */
static void begin_unit(struct mr_video_clip *clip, struct mr_unit_range *unit)
{
    const struct mr_timeline *timeline = clip->parts->timeline;
    clip->part = unit->output = unit->from_us / timeline->part_us;
    unit->begin_us = unit->from_us;
    if (clip->parts->options->bit_rate)
        unit->begin_us = FFMAX(unit->from_us - settle_us(unit), mr_timeline_part(timeline, clip->part));
    if (unit->begin_us < unit->from_us)
        clip->kept = INT64_MAX;
}

void mr_video_clip_init(struct mr_video_clip *clip, struct mr_parts *parts, const AVFrame *logo,
                        struct mr_stills *stills)
{
    *clip = (struct mr_video_clip){.parts = parts, .logo = logo, .stills = stills, .sent = -1};
    clip->kept = INT64_MIN;
    if (parts->unit)
        begin_unit(clip, parts->unit);
}

void mr_video_clip_free(struct mr_video_clip *clip)
{
    av_frame_free(&clip->last);
    av_frame_free(&clip->fitted_logo);
    av_packet_free(&clip->held);
    mr_video_encoder_close(&clip->encoder);
}

int64_t mr_video_clip_usual_us(const struct mr_video_clip *clip)
{
    return av_rescale(MICRO, clip->plan.fps.den, clip->plan.fps.num);
}

bool mr_video_clip_ends_by(int64_t length_us, int64_t at_us)
{
    return at_us > length_us - SLACK_US;
}

static int64_t to_ticks(const struct mr_video_clip *clip, int64_t us)
{
    return us == INT64_MAX ? us : av_rescale_q(us, AV_TIME_BASE_Q, clip->plan.base);
}

static int64_t to_us(const struct mr_video_clip *clip, int64_t ticks)
{
    return av_rescale_q(ticks, clip->plan.base, AV_TIME_BASE_Q);
}

bool mr_video_clip_is_behind(const struct mr_video_clip *clip, int64_t at_us)
{
    int64_t length_us = clip->parts->timeline->length_us;
    if (length_us == INT64_MAX)
        return false;
    return mr_video_clip_ends_by(length_us, at_us) ||
           mr_video_clip_ends_by(length_us, to_us(clip, to_ticks(clip, at_us)));
}

/* Whether a unit makes the beginning of a part of the clip, and its end. */
static bool has_beginning(const struct mr_video_clip *clip)
{
    const struct mr_unit_range *unit = clip->parts->unit;
    return !unit || unit->from_us == mr_timeline_part(clip->parts->timeline, clip->part);
}

static bool has_end(const struct mr_video_clip *clip)
{
    const struct mr_unit_range *unit = clip->parts->unit;
    return !unit || unit->to_us == mr_timeline_part(clip->parts->timeline, clip->part + 1) ||
           unit->to_us == INT64_MAX;
}

/* MP4 and its kin add up how long packets are in the order of decoding, in which the last frame shown is often not the last. */
static int64_t last_duration(const struct mr_video_clip *clip, const AVPacket *packet)
{
    int64_t shown = clip->sent + clip->length - clip->first_pts, decoded = packet->dts - clip->first_dts;
    return clip->parts->spec->holds_edits ? FFMAX(packet->duration, shown - decoded) : packet->duration;
}

/* How long the last frame is shown is known when the part ends, which encoders without delay do not wait for. */
static enum mr_status write_held(struct mr_video_clip *clip, struct mr_muxer *output, bool is_end,
                                 struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = MR_TAKE(clip->held);
    if (!packet)
        return MR_OK;
    if (clip->first_pts == AV_NOPTS_VALUE) {
        clip->first_pts = packet->pts;
        clip->first_dts = packet->dts;
    }
    bool is_last = clip->length && packet->pts == clip->sent;
    packet->duration = is_last ? clip->length : FFMAX(to_ticks(clip, mr_video_clip_usual_us(clip)), 1);
    if (is_end)
        packet->duration = last_duration(clip, packet);
    return mr_muxer_write(output, MR_SLOT_VIDEO, packet, err);
}

/* Writes packets of units that are to be decoded by a time, but the last `keep` of all. */
static enum mr_status join(struct mr_video_clip *clip, struct mr_muxer *output, int64_t until_us,
                           int64_t keep, struct mr_err *err)
{
    struct mr_packets_reader *joined = clip->parts->joined;
    const struct mr_timeline *timeline = clip->parts->timeline;
    const int64_t begin_us = mr_timeline_part(timeline, clip->part) - timeline->intro_us;
    while (joined->count - joined->taken > keep) {
        const AVPacket *next = NULL;
        MR_TRY(mr_packets_peek(joined, &next, err));
        if (!next)
            return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "units have fewer frames than they said");
        if (until_us != INT64_MAX && begin_us + to_us(clip, next->dts) > until_us)
            return MR_OK;
        MR_TRY(write_held(clip, output, false, err));
        clip->held = mr_packets_take(joined);
    }
    return MR_OK;
}

static enum mr_status join_rest(struct mr_video_clip *clip, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    const AVPacket *none = NULL;
    MR_TRY(mr_parts_get(clip->parts, clip->part, &output, err));
    MR_TRY(join(clip, output, INT64_MAX, 0, err));
    MR_TRY(mr_packets_peek(clip->parts->joined, &none, err)); /* the end of the last unit, too */
    return write_held(clip, output, true, err);
}

/* Whether a packet is of the unit's range. The first one that is must be a key frame, so that those before it are not missed. */
static enum mr_status is_kept(const struct mr_video_clip *clip, const AVPacket *packet, bool *ret,
                              struct mr_err *err)
{
    bool is_first = clip->kept != INT64_MIN && clip->parts->unit->writer.count == 0;
    *ret = packet->pts >= clip->kept;
    if (!*ret || !is_first || (packet->pts == clip->kept && packet->flags & AV_PKT_FLAG_KEY))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "its encoder makes no key frame where it is told to");
}

/* frame NULL: drain. */
static enum mr_status encode_unit(struct mr_video_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    struct mr_packets_writer *writer = &clip->parts->unit->writer;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(clip->encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(clip->encoder, packet)) >= 0) {
        bool keeps = true;
        MR_TRY(is_kept(clip, packet, &keeps, err));
        if (keeps)
            MR_TRY(mr_packets_write(writer, packet, err));
        av_packet_unref(packet);
    }
    if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF)
        return frame ? MR_OK : mr_packets_end(writer, err);
    return mr_av_fail_for(err, MR_CODE_INTERNAL, rc, mr_video_encoder_frame_bytes(clip->encoder),
                          "encode the video");
}

/* frame NULL: drain. */
static enum mr_status encode(struct mr_video_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    if (clip->parts->unit)
        return encode_unit(clip, frame, err);
    if (clip->parts->joined)
        return frame ? MR_OK : join_rest(clip, err);
    MR_TRY(mr_parts_get(clip->parts, clip->part, &output, err));
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(clip->encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(clip->encoder, packet)) >= 0) {
        MR_TRY(write_held(clip, output, false, err));
        clip->held = av_packet_clone(packet);
        if (!clip->held)
            return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode the video");
        av_packet_unref(packet);
    }
    if (!frame)
        MR_TRY(write_held(clip, output, true, err));
    if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF)
        return MR_OK;
    return mr_av_fail_for(err, MR_CODE_INTERNAL, rc, mr_video_encoder_frame_bytes(clip->encoder),
                          "encode the video");
}

static int64_t last_of(const struct mr_video_clip *clip)
{
    return clip->parts->joined ? clip->shown : clip->sent;
}

/* Sends a frame at a time of the part. One that is not later than the last is dropped. Of those that units have encoded, the
 * first part's are shown. */
static enum mr_status send(struct mr_video_clip *clip, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    const bool is_joined = clip->parts->joined;
    if (at <= last_of(clip)) {
        clip->dropped += !is_joined;
        return MR_OK;
    }
    clip->shown = at;
    if (clip->part == 0)
        MR_TRY(mr_stills_offer(clip->stills, frame, "", to_us(clip, at), err));
    if (is_joined)
        return MR_OK;
    MR_AUTO_FRAME AVFrame *copy = av_frame_clone(frame);
    if (!copy)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode the video");
    copy->pts = at;
    copy->pict_type = AV_PICTURE_TYPE_NONE; /* the encoder's choice, not the input's */
    if (clip->kept == INT64_MAX && !clip->leads) {
        copy->pict_type = AV_PICTURE_TYPE_I; /* libav's way to ask for a key frame */
        clip->kept = at;
    }
    clip->sent = at;
    clip->frames += !clip->leads;
    MR_TRY(mr_work_encoded(clip->parts->work, clip->weight, frame->width, frame->height, err));
    return encode(clip, copy, err);
}

/* Sends a frame that the input does not have at this time, if there is none of the input. */
static enum mr_status send_more(struct mr_video_clip *clip, const AVFrame *frame, int64_t at,
                                struct mr_err *err)
{
    if (at <= last_of(clip))
        return MR_OK;
    if (clip->parts->unit)
        clip->parts->unit->added++;
    return send(clip, frame, at, err);
}

/* Shows the logo for so long, from a time of the part on. */
static enum mr_status send_logo(struct mr_video_clip *clip, int64_t from_us, int64_t length_us,
                                struct mr_err *err)
{
    if (length_us <= 0 || !clip->logo)
        return MR_OK;
    if (!clip->fitted_logo)
        MR_TRY(mr_filters_still(clip->logo, "", &clip->size, clip->plan.pixels, MR_WHITE, &clip->fitted_logo,
                                err));
    for (int64_t i = 0;; i++) {
        int64_t at_us = av_rescale(i, (int64_t)MICRO * clip->plan.fps.den, clip->plan.fps.num);
        int64_t at = to_ticks(clip, from_us + at_us);
        if (mr_video_clip_ends_by(length_us, at_us) || at >= to_ticks(clip, from_us + length_us))
            return MR_OK;
        MR_TRY(send_more(clip, clip->fitted_logo, at, err));
    }
}

/* A unit has no container; its encoder does as if it had that of the whole. */
static enum mr_status open_unit(struct mr_video_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    const struct mr_parts *parts = clip->parts;
    const AVOutputFormat *container = av_guess_format(parts->spec->muxer, NULL, NULL);
    clip->sent = -1;
    MR_TRY(mr_video_encoder_open(&clip->plan, parts->options, frame,
                                 container && container->flags & AVFMT_GLOBALHEADER, &clip->encoder, err));
    return mr_packets_begin(&parts->unit->writer, parts->fds, clip->encoder, err);
}

/* Of what units have made of a part all is known. */
static enum mr_status begin_join(struct mr_video_clip *clip, struct mr_err *err)
{
    struct mr_packets_reader *joined = clip->parts->joined;
    int64_t frame = clip->plan.is_constant ? FFMAX(to_ticks(clip, mr_video_clip_usual_us(clip)), 1) : 0;
    MR_TRY(mr_packets_reader_begin(joined, clip->encoder, clip->part, frame, err));
    clip->frames += joined->count;
    clip->sent = joined->last_pts;
    return MR_OK;
}

static enum mr_status open_output(struct mr_video_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    struct mr_parts *parts = clip->parts;
    struct mr_muxer *output = NULL;
    clip->sent = -1;
    clip->length = 0;
    clip->first_pts = AV_NOPTS_VALUE;
    clip->shown = -1;
    MR_TRY(mr_parts_get(parts, clip->part, &output, err));
    MR_TRY(mr_video_encoder_open(&clip->plan, parts->options, frame, mr_muxer_has_global_header(output),
                                 &clip->encoder, err));
    MR_TRY(mr_muxer_open_encoded(output, MR_SLOT_VIDEO, clip->encoder, parts->input->video, err));
    MR_TRY(mr_muxer_set_light(output, MR_SLOT_VIDEO, frame, err));
    return parts->joined ? begin_join(clip, err) : MR_OK;
}

static enum mr_status open_part(struct mr_video_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    MR_TRY(clip->parts->unit ? open_unit(clip, frame, err) : open_output(clip, frame, err));
    return has_beginning(clip) ? send_logo(clip, 0, clip->parts->timeline->intro_us, err) : MR_OK;
}

/* The part ends at a time of the clip. */
static enum mr_status close_part(struct mr_video_clip *clip, int64_t end_us, struct mr_err *err)
{
    const struct mr_timeline *timeline = clip->parts->timeline;
    int64_t clip_us = timeline->intro_us + end_us - mr_timeline_part(timeline, clip->part);
    int64_t length_us = clip_us + timeline->outro_us;
    if (has_end(clip))
        MR_TRY(send_logo(clip, clip_us, timeline->outro_us, err));
    clip->length = FFMAX(to_ticks(clip, length_us) - clip->sent, 1);
    MR_TRY(encode(clip, NULL, err));
    mr_video_encoder_close(&clip->encoder);
    clip->part++;
    if (clip->parts->unit)
        return MR_OK;
    return mr_parts_leave(clip->parts, MR_SLOT_VIDEO, length_us, err);
}

static int64_t time_in_part(const struct mr_video_clip *clip, int64_t at)
{
    const struct mr_timeline *timeline = clip->parts->timeline;
    return at - to_ticks(clip, mr_timeline_part(timeline, clip->part)) + to_ticks(clip, timeline->intro_us);
}

/* A part begins with the frame that is shown then. */
static enum mr_status begin_part(struct mr_video_clip *clip, const AVFrame *frame, int64_t at,
                                 struct mr_err *err)
{
    int64_t begin_us = mr_timeline_part(clip->parts->timeline, clip->part), begin = to_ticks(clip, begin_us);
    MR_TRY(open_part(clip, frame, err));
    if (!clip->last || clip->part == 0 || !has_beginning(clip) || at <= begin ||
        to_us(clip, at) <= begin_us + SLACK_US)
        return MR_OK;
    return send_more(clip, clip->last, time_in_part(clip, begin), err);
}

/* What one run would make of the end of the clip is not what the units were planned for. */
static enum mr_status other_parts(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "the parts of its video end elsewhere than planned");
}

/* Opens the part that holds a time of the clip, and those before it. */
static enum mr_status enter_part(struct mr_video_clip *clip, const AVFrame *frame, int64_t at,
                                 struct mr_err *err)
{
    if (!clip->encoder)
        MR_TRY(begin_part(clip, frame, at, err));
    for (;;) {
        int64_t part_end_us = mr_timeline_part(clip->parts->timeline, clip->part + 1);
        if (clip->parts->joined || part_end_us == INT64_MAX || to_us(clip, at) < part_end_us - SLACK_US)
            return MR_OK;
        if (clip->parts->unit)
            return other_parts(err);
        MR_TRY(close_part(clip, part_end_us, err));
        MR_TRY(begin_part(clip, frame, at, err));
    }
}

/* Ends a part that units have made, and opens the next one, which looks like the first. */
static enum mr_status join_next(struct mr_video_clip *clip, struct mr_err *err)
{
    MR_TRY(close_part(clip, mr_timeline_part(clip->parts->timeline, clip->part + 1), err));
    return open_part(clip, clip->last, err);
}

enum mr_status mr_video_clip_join(struct mr_video_clip *clip, int64_t until_us, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    const struct mr_timeline *timeline = clip->parts->timeline;
    while (mr_packets_reader_has(clip->parts->joined, clip->part + 1) && !mr_stills_wait(clip->stills) &&
           until_us >= mr_timeline_part(timeline, clip->part + 1))
        MR_TRY(join_next(clip, err));
    MR_TRY(mr_parts_get(clip->parts, clip->part, &output, err));
    return join(clip, output, until_us, JOIN_LAST, err);
}

enum mr_status mr_video_clip_keep(struct mr_video_clip *clip, const AVFrame *frame, struct mr_err *err)
{
    av_frame_free(&clip->last);
    clip->last = av_frame_clone(frame);
    return clip->last ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
}

/* Units have encoded it: the first frame has the form of all, and those of the first part are in its pictures. */
static enum mr_status show(struct mr_video_clip *clip, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    int64_t end_us = mr_timeline_part(clip->parts->timeline, 1);
    clip->stills->is_over |= end_us != INT64_MAX && to_us(clip, at) >= end_us - SLACK_US;
    if (!clip->last)
        MR_TRY(mr_video_clip_keep(clip, frame, err));
    return clip->stills->is_over ? MR_OK : send(clip, frame, FFMAX(time_in_part(clip, at), 0), err);
}

enum mr_status mr_video_clip_put(struct mr_video_clip *clip, const AVFrame *frame, int64_t at,
                                 struct mr_err *err)
{
    int64_t length_us = clip->parts->timeline->length_us;
    if (length_us != INT64_MAX && mr_video_clip_ends_by(length_us, to_us(clip, at))) {
        clip->is_done = true;
        return MR_OK;
    }
    MR_TRY(enter_part(clip, frame, at, err));
    if (clip->parts->joined)
        return show(clip, frame, at, err);
    MR_TRY(send(clip, frame, FFMAX(time_in_part(clip, at), 0), err));
    return mr_video_clip_keep(clip, frame, err);
}

/* The last frame once more, at a time of the clip. */
static enum mr_status repeat_last(struct mr_video_clip *clip, int64_t at_us, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *last = av_frame_clone(clip->last);
    if (!last)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
    return mr_video_clip_put(clip, last, to_ticks(clip, at_us), err);
}

enum mr_status mr_video_clip_pad(struct mr_video_clip *clip, int64_t until_us, struct mr_err *err)
{
    if (!clip->last || until_us <= clip->end_us)
        return MR_OK;
    if (clip->parts->joined)
        return other_parts(err);
    clip->end_us = until_us;
    return repeat_last(clip, until_us - mr_video_clip_usual_us(clip), err);
}

/* The last frame may last through further parts, which units that have its beginning do not make. */
static enum mr_status enter_last_parts(struct mr_video_clip *clip, struct mr_err *err)
{
    const struct mr_unit_range *unit = clip->parts->unit;
    while (clip->parts->joined && mr_packets_reader_has(clip->parts->joined, clip->part + 1))
        MR_TRY(join_next(clip, err));
    for (int64_t part = -1; clip->last && part != clip->part;) {
        int64_t next_us = mr_timeline_part(clip->parts->timeline, clip->part + 1);
        bool is_made_elsewhere = unit && unit->to_us != INT64_MAX;
        if (next_us == INT64_MAX || clip->end_us - next_us < SLIVER_US || is_made_elsewhere)
            break;
        if (unit || clip->parts->joined)
            return other_parts(err);
        part = clip->part; /* where frames are counted the time may be rounded into the same part */
        MR_TRY(repeat_last(clip, next_us, err));
    }
    return MR_OK;
}

enum mr_status mr_video_clip_finish(struct mr_video_clip *clip, struct mr_err *err)
{
    const struct mr_unit_range *unit = clip->parts->unit;
    MR_TRY(enter_last_parts(clip, err));
    int64_t next_us = mr_timeline_part(clip->parts->timeline, clip->part + 1);
    bool ends_a_part = unit && unit->to_us == next_us && next_us != INT64_MAX;
    return close_part(clip, ends_a_part ? next_us : clip->end_us, err);
}
