#include "worker/media/video.h"

#include "worker/media/thumbnail.h"

#include <errno.h>
#include <libavutil/common.h>

enum {
    SLACK_US = 1000,       /* half of the coarsest time base there is */
    SLIVER_US = 50 * 1000, /* less at the end of the film is not worth a part */
    MICRO = 1000000,
};

enum mr_status mr_video_init(struct mr_video *video, struct mr_parts *parts, const AVFrame *logo,
                             struct mr_err *err)
{
    const struct mr_demuxer *input = parts->input;
    *video = (struct mr_video){
        .parts = parts, .logo = logo, .filtered = av_frame_alloc(), .last_us = -1, .sent = -1};
    video->copies = !mr_options_change(parts->options, MR_OF_VIDEO, true) &&
                    mr_muxer_can_copy(input, input->video, parts->spec);
    if (!video->filtered)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the conversion up");
    if (video->copies && parts->options->thumbnail_us < 0)
        input->video_decoder->skip_frame = AVDISCARD_NONKEY;
    return mr_decoder_init(&video->decoder, input->video_decoder, err);
}

void mr_video_free(struct mr_video *video)
{
    mr_decoder_free(&video->decoder);
    mr_filters_close(&video->filters);
    av_frame_free(&video->filtered);
    av_frame_free(&video->before);
    av_frame_free(&video->last);
    av_frame_free(&video->fitted_logo);
    av_frame_free(&video->thumbnail);
    avcodec_free_context(&video->encoder);
}

int64_t mr_video_position_us(const struct mr_video *video)
{
    return video->end_us;
}

static int64_t to_ticks(const struct mr_video *video, int64_t us)
{
    return us == INT64_MAX ? us : av_rescale_q(us, AV_TIME_BASE_Q, video->plan.base);
}

static int64_t to_us(const struct mr_video *video, int64_t ticks)
{
    return av_rescale_q(ticks, video->plan.base, AV_TIME_BASE_Q);
}

static int64_t usual_us(const struct mr_video *video)
{
    return av_rescale(MICRO, video->plan.fps.den, video->plan.fps.num);
}

static enum mr_status keep(AVFrame **kept, const AVFrame *frame, struct mr_err *err)
{
    av_frame_free(kept);
    *kept = av_frame_clone(frame);
    return *kept ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
}

/* ---- encoding ---- */

/* frame NULL: drain. */
static enum mr_status encode(struct mr_video *video, const AVFrame *frame, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    enum mr_status status = mr_parts_get(video->parts, video->part, &output, err);
    if (status)
        return status;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(video->encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(video->encoder, packet)) >= 0) {
        bool is_last = video->length && packet->pts == video->sent;
        packet->duration = is_last ? video->length : FFMAX(to_ticks(video, usual_us(video)), 1);
        status = mr_muxer_write(output, MR_SLOT_VIDEO, packet, err);
        if (status)
            return status;
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "encode the picture");
    return MR_OK;
}

/* The last frame not after the moment that is asked for. */
static enum mr_status note_thumbnail(struct mr_video *video, const AVFrame *frame, int64_t at_us,
                                     struct mr_err *err)
{
    int64_t wanted_us = video->parts->options->thumbnail_us;
    if (wanted_us < 0 || video->part > 0 || (video->thumbnail && at_us > wanted_us + SLACK_US))
        return MR_OK;
    return keep(&video->thumbnail, frame, err);
}

/* Sends a frame at a time of the part. One that is not later than the last is dropped. */
static enum mr_status send(struct mr_video *video, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    if (at <= video->sent) {
        video->late++;
        return MR_OK;
    }
    enum mr_status status = note_thumbnail(video, frame, to_us(video, at), err);
    MR_AUTO_FRAME AVFrame *copy = av_frame_clone(frame);
    if (!copy)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "encode the picture");
    copy->pts = at;
    copy->pict_type = AV_PICTURE_TYPE_NONE; /* the encoder's choice, not the input's */
    video->sent = at;
    video->frames++;
    return status ? status : encode(video, copy, err);
}

/* The logo for so long, from a time of the part on. */
static enum mr_status send_logo(struct mr_video *video, int64_t from_us, int64_t length_us,
                                struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (length_us <= 0 || !video->logo)
        return MR_OK;
    if (!video->fitted_logo)
        status = mr_filters_still(video->logo, "", &video->geometry.out, video->plan.pixels,
                                  &video->fitted_logo, err);
    for (int64_t i = 0; !status; i++) {
        int64_t at_us = av_rescale(i, (int64_t)MICRO * video->plan.fps.den, video->plan.fps.num);
        if (at_us > length_us - SLACK_US)
            break;
        status = send(video, video->fitted_logo, to_ticks(video, from_us + at_us), err);
    }
    return status;
}

/* ---- parts ---- */

static enum mr_status open_part(struct mr_video *video, const AVFrame *frame, struct mr_err *err)
{
    struct mr_parts *parts = video->parts;
    struct mr_muxer *output = NULL;
    video->sent = -1;
    video->length = 0;
    enum mr_status status = mr_parts_get(parts, video->part, &output, err);
    if (!status)
        status = mr_video_encoder_open(&video->plan, parts->options, frame,
                                       mr_muxer_has_global_header(output), &video->encoder, err);
    if (!status)
        status = mr_muxer_open_encoded(output, MR_SLOT_VIDEO, video->encoder, err);
    return status ? status : send_logo(video, 0, parts->timeline->intro_us, err);
}

/* The part ends at a moment of the clip. */
static enum mr_status close_part(struct mr_video *video, int64_t end_us, struct mr_err *err)
{
    const struct mr_timeline *timeline = video->parts->timeline;
    int64_t clip_us = timeline->intro_us + end_us - mr_timeline_part(timeline, video->part);
    enum mr_status status = send_logo(video, clip_us, timeline->outro_us, err);
    int64_t length_us = clip_us + timeline->outro_us;
    video->length = FFMAX(to_ticks(video, length_us) - video->sent, 1);
    if (!status)
        status = encode(video, NULL, err);
    avcodec_free_context(&video->encoder);
    video->part++;
    return status ? status : mr_parts_leave(video->parts, MR_SLOT_VIDEO, length_us, err);
}

static int64_t time_in_part(const struct mr_video *video, int64_t at)
{
    const struct mr_timeline *timeline = video->parts->timeline;
    return at - to_ticks(video, mr_timeline_part(timeline, video->part)) +
           to_ticks(video, timeline->intro_us);
}

/* Into the part that holds a time of the clip. What is on the screen where a part begins, begins it. */
static enum mr_status enter_part(struct mr_video *video, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    const struct mr_timeline *timeline = video->parts->timeline;
    enum mr_status status = MR_OK;
    for (;;) {
        int64_t part_end_us = mr_timeline_part(timeline, video->part + 1);
        if (!video->encoder)
            status = open_part(video, frame, err);
        if (status || part_end_us == INT64_MAX || to_us(video, at) < part_end_us - SLACK_US)
            return status;
        status = close_part(video, part_end_us, err);
        if (!status)
            status = open_part(video, frame, err);
        int64_t begin = to_ticks(video, part_end_us);
        if (!status && video->last && to_us(video, at) > part_end_us + SLACK_US)
            status = send(video, video->last, time_in_part(video, begin), err);
        if (status)
            return status;
    }
}

/* A filtered frame, at a time of the clip. */
static enum mr_status place(struct mr_video *video, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    const struct mr_timeline *timeline = video->parts->timeline;
    if (timeline->length_us != INT64_MAX && to_us(video, at) > timeline->length_us - SLACK_US) {
        video->is_done = true;
        return MR_OK;
    }
    enum mr_status status = enter_part(video, frame, at, err);
    if (!status)
        status = send(video, frame, FFMAX(time_in_part(video, at), 0), err);
    return status ? status : keep(&video->last, frame, err);
}

static enum mr_status take_filtered(struct mr_video *video, struct mr_err *err)
{
    for (;;) {
        bool got = false;
        AVFrame *frame = video->filtered;
        enum mr_status status = mr_filters_pull(&video->filters, frame, &got, err);
        if (!status && got)
            status =
                place(video, frame,
                      av_rescale_q(frame->pts, mr_filters_time_base(&video->filters), video->plan.base), err);
        av_frame_unref(frame);
        if (status || !got)
            return status;
    }
}

static enum mr_status drain_filters(struct mr_video *video, int64_t end_us, struct mr_err *err)
{
    if (!video->filters.graph)
        return MR_OK;
    enum mr_status status = mr_filters_end(&video->filters, end_us, err);
    return status ? status : take_filtered(video, err);
}

/* ---- from the decoder into the filters ---- */

/* A stream may change its form on the way: what comes later goes into the first frame's. */
static void plan_geometry(struct mr_video *video, const AVFrame *frame, struct mr_geometry *ret)
{
    const struct mr_parts *parts = video->parts;
    const struct mr_geometry *first = &video->geometry;
    if (!video->is_planned)
        mr_geometry_plan(&video->geometry, frame, mr_demuxer_display_matrix(parts->input), parts->options,
                         parts->spec);
    video->is_planned = true;
    if (mr_geometry_is_for(first, frame)) {
        *ret = *first;
    } else {
        mr_geometry_fit(ret, frame, first->turn, first->out);
        ret->tells_colours = first->tells_colours;
        video->sizes_changed = true;
    }
    video->deinterlaces |= frame->interlaced_frame;
    ret->deinterlaces = video->deinterlaces;
}

static enum mr_status open_filters(struct mr_video *video, const AVFrame *frame, struct mr_err *err)
{
    struct mr_geometry geometry;
    char chain[MR_CHAIN_MAX];
    plan_geometry(video, frame, &geometry);
    int64_t most = video->decoder.context->max_pixels;
    if ((int64_t)geometry.out.width * geometry.out.height > most)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT,
                            "options.resize: pictures of %dx%d have more than %lld pixels",
                            geometry.out.width, geometry.out.height, (long long)most);
    mr_geometry_chain(&geometry, frame, video->plan.pixels,
                      video->plan.is_constant ? video->plan.fps : (AVRational){0, 1}, chain);
    return mr_filters_open_video(&video->filters, frame, AV_TIME_BASE_Q, chain, err);
}

static bool is_fit(const struct mr_video *video, const AVFrame *frame)
{
    return mr_filters_fit(&video->filters, frame) && (video->deinterlaces || !frame->interlaced_frame);
}

static enum mr_status filter(struct mr_video *video, AVFrame *frame, int64_t at_us, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (!is_fit(video, frame)) {
        status = drain_filters(video, at_us, err);
        if (!status)
            status = open_filters(video, frame, err);
    }
    if (status || at_us <= video->last_us)
        return status; /* two frames at one time: the first one stands */
    video->last_us = at_us;
    frame->pts = at_us;
    frame->pkt_duration = FFMAX(video->end_us - at_us, 0);
    status = mr_filters_push(&video->filters, frame, err);
    return status ? status : take_filtered(video, err);
}

/* A frame without a time stamp of its own may bear the one at which it was read: too early, where an earlier
 * frame was shown then. */
static int64_t time_of(const struct mr_video *video, const AVFrame *frame)
{
    const struct mr_parts *parts = video->parts;
    if (frame->best_effort_timestamp == AV_NOPTS_VALUE)
        return video->next_us;
    int64_t at_us =
        av_rescale_q(frame->best_effort_timestamp, parts->input->video->time_base, AV_TIME_BASE_Q) -
        parts->timeline->origin_us;
    return frame->pts == AV_NOPTS_VALUE && at_us <= video->last_us ? video->next_us : at_us;
}

/* The frame that the clip begins with may have come before it. It lasts until until_us. */
static enum mr_status begin_clip(struct mr_video *video, int64_t until_us, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *before = MR_TAKE(video->before);
    if (!before || until_us <= SLACK_US)
        return MR_OK;
    video->end_us = until_us;
    return filter(video, before, 0, err);
}

static enum mr_status take_frame(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct mr_video *video = ctx;
    if (video->copies) {
        mr_video_copy_witness(&video->copy, video->parts, frame);
        return note_thumbnail(video, frame, time_of(video, frame), err);
    }
    if (video->is_done)
        return MR_OK;
    int64_t at_us = time_of(video, frame), clip_us = video->parts->timeline->length_us;
    int64_t length_us = usual_us(video);
    if (frame->pkt_duration > 0)
        length_us = av_rescale_q(frame->pkt_duration, video->parts->input->video->time_base, AV_TIME_BASE_Q);
    video->next_us = at_us + length_us;
    if (at_us < -SLACK_US)
        return keep(&video->before, frame, err);
    at_us = FFMAX(at_us, 0);
    enum mr_status status = begin_clip(video, FFMIN(at_us, clip_us), err);
    if (status)
        return status;
    bool is_late = at_us > clip_us - SLACK_US;
    if (is_late && video->last_us < 0)
        at_us = 0; /* the clip ends before the film's first picture: better than none */
    else
        video->is_done = is_late;
    video->end_us = FFMAX(video->end_us, FFMIN(video->next_us, clip_us));
    return video->is_done ? MR_OK : filter(video, frame, at_us, err);
}

/* Pictures that an edit list hides cannot be left out of a copy, for others lean on them; and where there are
 * no edit lists they would be shown. */
static void refuse_hidden(struct mr_video *video, const AVPacket *packet)
{
    bool is_first = video->copies && video->decoder.packets == 0;
    if (!is_first || !(packet->flags & AV_PKT_FLAG_DISCARD) || video->parts->spec->index_first)
        return;
    video->copies = false;
    video->decoder.context->skip_frame = AVDISCARD_DEFAULT;
}

enum mr_status mr_video_packet(struct mr_video *video, AVPacket *packet, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    refuse_hidden(video, packet);
    if (video->plan.fps.num == 0)
        status =
            mr_video_plan(video->parts->spec, video->parts->options, video->parts->input, &video->plan, err);
    if (!status)
        status = mr_decoder_push(&video->decoder, packet, take_frame, video, err);
    if (status || !video->copies)
        return status;
    status = mr_video_copy_packet(&video->copy, video->parts, packet, err);
    video->frames = video->copy.packets;
    video->end_us = video->copy.end_us;
    return status;
}

/* ---- the end ---- */

/* The last frame once more, at a time of the clip. */
static enum mr_status repeat_last(struct mr_video *video, int64_t at_us, struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *last = av_frame_clone(video->last);
    if (!last)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
    return place(video, last, to_ticks(video, at_us), err);
}

enum mr_status mr_video_pad(struct mr_video *video, int64_t until_us, struct mr_err *err)
{
    if (!video->last || until_us <= video->end_us)
        return MR_OK;
    video->end_us = until_us;
    return repeat_last(video, until_us - usual_us(video), err);
}

/* The last frame may last through further parts. */
static enum mr_status enter_last_parts(struct mr_video *video, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    for (int64_t part = -1; !status && video->last && part != video->part;) {
        int64_t next_us = mr_timeline_part(video->parts->timeline, video->part + 1);
        if (next_us == INT64_MAX || video->end_us - next_us < SLIVER_US)
            break;
        part = video->part; /* where frames are counted the time may be rounded into the same part */
        status = repeat_last(video, next_us, err);
    }
    return status;
}

enum mr_status mr_video_drain(struct mr_video *video, struct mr_err *err)
{
    enum mr_status status = mr_decoder_push(&video->decoder, NULL, take_frame, video, err);
    if (!status && !video->copies && !video->is_done)
        status = begin_clip(video, FFMIN(video->next_us, video->parts->timeline->length_us), err);
    if (status || video->copies)
        return status;
    /* At a constant rate a piece shorter than half a frame would have none. */
    bool is_short = video->plan.is_constant && video->frames == 0 && video->last_us >= 0;
    return drain_filters(video, is_short ? FFMAX(video->end_us, usual_us(video)) : video->end_us, err);
}

enum mr_status mr_video_write_thumbnail(struct mr_video *video, struct mr_err *err)
{
    struct mr_parts *parts = video->parts;
    if (!video->thumbnail)
        return MR_OK;
    const char *turn = video->copies ? mr_geometry_turn_of(mr_demuxer_display_matrix(parts->input)) : "";
    json_t *description = NULL;
    enum mr_status status = mr_thumbnail_write(parts->fds, (uint32_t)parts->first, video->thumbnail, turn,
                                               parts->options->thumbnail_width, &description, err);
    if (status)
        return status;
    return json_array_append_new(parts->outputs, description) < 0 ? mr_fail_oom(err) : MR_OK;
}

enum mr_status mr_video_finish(struct mr_video *video, struct mr_err *err)
{
    enum mr_status status = video->copies ? MR_OK : enter_last_parts(video, err);
    if (!status && !video->copies)
        return close_part(video, video->end_us, err);
    return status ? status : mr_parts_leave(video->parts, MR_SLOT_VIDEO, video->end_us, err);
}
