#include "worker/media/subtitles.h"

#include "worker/media/streams.h"

#include <errno.h>
#include <string.h>

enum {
    TEXT_MAX = 64 * 1024,
    WAITING_MAX = 10000, /* texts for later parts, and their bytes */
    WAITING_BYTES_MAX = 32 * 1024 * 1024,
    LATE_US = 2 * 1000 * 1000,          /* how much later than the video a text may come */
    FOREVER_US = 60 * 1000 * 1000,      /* as long as a text without an end is shown */
    LENGTH_MAX_US = 1000 * 1000 * 1000, /* a longer one has none: some write the largest number */
};

static const AVRational milliseconds = {1, 1000};

static struct mr_subtitles *subtitles_of(struct mr_track *track)
{
    return (struct mr_subtitles *)track;
}

static int open_encoder(const AVCodecContext *decoder, enum AVCodecID codec_id, AVCodecContext **ret)
{
    const AVCodec *codec = avcodec_find_encoder(codec_id);
    AVCodecContext *encoder = *ret = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!encoder)
        return codec ? AVERROR(ENOMEM) : AVERROR_ENCODER_NOT_FOUND;
    encoder->time_base = milliseconds;
    encoder->thread_count = 1; /* the sandbox has no threads */
    if (decoder->subtitle_header_size > 0) {
        size_t size = (size_t)decoder->subtitle_header_size;
        encoder->subtitle_header = av_mallocz(size + 1);
        if (!encoder->subtitle_header)
            return AVERROR(ENOMEM);
        memcpy(encoder->subtitle_header, decoder->subtitle_header, size);
        encoder->subtitle_header_size = (int)size;
    }
    return avcodec_open2(encoder, codec, NULL);
}

static int64_t part_from(const struct mr_subtitles *subtitles)
{
    return mr_timeline_part(subtitles->track.parts->timeline, subtitles->part);
}

static int64_t part_until(const struct mr_subtitles *subtitles)
{
    return mr_timeline_part(subtitles->track.parts->timeline, subtitles->part + 1);
}

/* Writes what of the text is shown in the present part. */
static enum mr_status write_text(struct mr_subtitles *subtitles, const struct mr_text *text,
                                 struct mr_err *err)
{
    const struct mr_track *track = &subtitles->track;
    struct mr_muxer *output = NULL;
    int64_t from_us = FFMAX(text->from_us, part_from(subtitles));
    int64_t length_us = FFMIN(text->until_us, part_until(subtitles)) - from_us;
    int64_t at_us = from_us - part_from(subtitles) + track->parts->timeline->intro_us;
    if (length_us <= 0 && text->until_us > text->from_us)
        return MR_OK;
    MR_TRY(mr_parts_get(track->parts, subtitles->part, &output, err));
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, text->size) : AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the subtitles over");
    memcpy(packet->data, text->data, (size_t)text->size);
    /* A muxer wants times that rise. */
    packet->pts = packet->dts = subtitles->last_ms = FFMAX(at_us / 1000, subtitles->last_ms);
    packet->duration = FFMAX(length_us / 1000, 0);
    return mr_muxer_write(output, track->slot, packet, err);
}

static enum mr_status keep(struct mr_subtitles *subtitles, const struct mr_text *text, struct mr_err *err)
{
    if (subtitles->waiting == WAITING_MAX || text->size > WAITING_BYTES_MAX - subtitles->waiting_bytes) {
        subtitles->left_out++;
        return MR_OK;
    }
    if (subtitles->waiting == subtitles->capacity) {
        size_t capacity = FFMAX(subtitles->capacity * 2, 16);
        struct mr_text *wait = av_realloc_array(subtitles->wait, capacity, sizeof *wait);
        if (!wait)
            return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a text");
        subtitles->wait = wait;
        subtitles->capacity = capacity;
    }
    struct mr_text copy = *text;
    copy.data = av_memdup(text->data, (size_t)text->size);
    if (!copy.data)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a text");
    subtitles->wait[subtitles->waiting++] = copy;
    subtitles->waiting_bytes += copy.size;
    return MR_OK;
}

/* Writes the text into the present part, and keeps it where later ones show it, too. */
static enum mr_status place(struct mr_subtitles *subtitles, const struct mr_text *text, struct mr_err *err)
{
    if (text->from_us < part_until(subtitles))
        MR_TRY(write_text(subtitles, text, err));
    return text->until_us > part_until(subtitles) || text->from_us >= part_until(subtitles)
               ? keep(subtitles, text, err)
               : MR_OK;
}

static enum mr_status open_part(struct mr_subtitles *subtitles, struct mr_err *err)
{
    struct mr_track *track = &subtitles->track;
    struct mr_muxer *output = NULL;
    subtitles->last_ms = 0;
    MR_TRY(mr_parts_get(track->parts, subtitles->part, &output, err));
    if (!subtitles->decoder)
        return mr_muxer_open_copied(output, track->slot, track->stream, milliseconds, err);
    return mr_muxer_open_encoded(output, track->slot, subtitles->encoder, track->stream, err);
}

/* Leaves the present part, and writes into the next what has waited for it. */
static enum mr_status next_part(struct mr_subtitles *subtitles, struct mr_err *err)
{
    struct mr_text *texts = subtitles->wait;
    size_t count = subtitles->waiting;
    enum mr_status status = mr_parts_leave(subtitles->track.parts, subtitles->track.slot, 0, err);
    subtitles->wait = NULL;
    subtitles->waiting = subtitles->capacity = 0;
    subtitles->waiting_bytes = 0;
    subtitles->part++;
    if (!status)
        status = open_part(subtitles, err);
    for (size_t i = 0; i < count; i++) {
        if (!status)
            status = place(subtitles, &texts[i], err);
        av_freep(&texts[i].data);
    }
    av_free(texts);
    return status;
}

static enum mr_status advance(struct mr_track *track, struct mr_err *err)
{
    struct mr_subtitles *subtitles = subtitles_of(track);
    while (part_until(subtitles) != INT64_MAX && track->parts->left[MR_SLOT_VIDEO] > subtitles->part &&
           track->parts->reached_us > part_until(subtitles) + LATE_US)
        MR_TRY(next_part(subtitles, err));
    return MR_OK;
}

/* Where what begins at from_us of the file is shown on the clip. False: it is not. */
static bool place_on_clip(const struct mr_timeline *timeline, int64_t from_us, int64_t length_us,
                          struct mr_text *ret)
{
    from_us -= timeline->origin_us;
    ret->from_us = FFMAX(from_us, 0);
    ret->until_us = FFMIN(from_us + length_us, timeline->length_us);
    bool is_before = length_us > 0 ? from_us + length_us <= 0 : from_us < 0;
    return !is_before && ret->from_us < FFMIN(timeline->length_us, timeline->max_us);
}

static int64_t length_of(const struct mr_subtitles *subtitles, const AVPacket *packet)
{
    int64_t length_us = av_rescale_q(packet->duration, subtitles->track.stream->time_base, AV_TIME_BASE_Q);
    return length_us <= LENGTH_MAX_US ? length_us : 0;
}

static bool find_times(const struct mr_subtitles *subtitles, const AVSubtitle *decoded,
                       const AVPacket *packet, struct mr_text *ret)
{
    const struct mr_timeline *timeline = subtitles->track.parts->timeline;
    int64_t length_us = length_of(subtitles, packet);
    if (decoded->end_display_time > decoded->start_display_time && decoded->end_display_time != UINT32_MAX)
        length_us = (int64_t)(decoded->end_display_time - decoded->start_display_time) * 1000;
    if (length_us <= 0)
        length_us = timeline->part_us == INT64_MAX ? 0 : FOREVER_US;
    return place_on_clip(timeline, decoded->pts + (int64_t)decoded->start_display_time * 1000, length_us,
                         ret);
}

/* Pictures go along as they are. One without a length is shown until the next, or an empty one, comes. */
static enum mr_status copy(struct mr_subtitles *subtitles, const AVPacket *packet, struct mr_err *err)
{
    struct mr_text picture = {.data = packet->data, .size = packet->size};
    if (packet->pts == AV_NOPTS_VALUE || packet->size <= 0)
        return MR_OK;
    int64_t from_us = av_rescale_q(packet->pts, subtitles->track.stream->time_base, AV_TIME_BASE_Q);
    return place_on_clip(subtitles->track.parts->timeline, from_us, length_of(subtitles, packet), &picture)
               ? place(subtitles, &picture, err)
               : MR_OK;
}

static enum mr_status encode(struct mr_subtitles *subtitles, AVSubtitle *decoded, const AVPacket *packet,
                             struct mr_err *err)
{
    struct mr_text text = {.data = subtitles->buffer};
    if (!find_times(subtitles, decoded, packet, &text))
        return MR_OK;
    /* The encoder counts from pts. */
    decoded->pts = text.from_us;
    decoded->end_display_time -= decoded->start_display_time;
    decoded->start_display_time = 0;
    text.size = avcodec_encode_subtitle(subtitles->encoder, subtitles->buffer, TEXT_MAX, decoded);
    if (text.size <= 0)
        return MR_OK; /* it is empty, or cannot be said in the target's format */
    return place(subtitles, &text, err);
}

/* A text that cannot be read is left out: no reason to refuse the whole file. */
static enum mr_status take_packet(struct mr_track *track, AVPacket *packet, struct mr_err *err)
{
    struct mr_subtitles *subtitles = subtitles_of(track);
    AVSubtitle text = {0};
    int got = 0;
    if (!subtitles->decoder)
        return copy(subtitles, packet, err);
    int rc = avcodec_decode_subtitle2(subtitles->decoder, &text, &got, packet);
    if (rc < 0 || !got)
        return MR_OK;
    enum mr_status status = MR_OK;
    if (text.num_rects > 0 && text.pts != AV_NOPTS_VALUE)
        status = encode(subtitles, &text, packet, err);
    avsubtitle_free(&text);
    return status;
}

/* After the video: what is shown later than its end belongs to no part. */
static enum mr_status finish(struct mr_track *track, int64_t end_us, struct mr_err *err)
{
    struct mr_subtitles *subtitles = subtitles_of(track);
    (void)end_us;
    while (subtitles->part + 1 < track->parts->left[MR_SLOT_VIDEO])
        MR_TRY(next_part(subtitles, err));
    if (subtitles->left_out)
        mr_notes_warn(track->parts->notes, MR_CODE_TEXTS_LEFT_OUT,
                      "%lld texts of subtitle:%d came too long before the part that shows them",
                      (long long)subtitles->left_out, track->stream->index);
    return mr_parts_leave(track->parts, track->slot, 0, err);
}

static void free_subtitles(struct mr_track *track)
{
    struct mr_subtitles *subtitles = subtitles_of(track);
    avcodec_free_context(&subtitles->encoder);
    av_freep(&subtitles->buffer);
    for (size_t i = 0; i < subtitles->waiting; i++)
        av_freep(&subtitles->wait[i].data);
    av_freep(&subtitles->wait);
    subtitles->waiting = 0;
}

static const struct mr_track_ops ops = {
    .name = "subtitle", .packet = take_packet, .advance = advance, .finish = finish, .free = free_subtitles};

/* The text keeps its style where the target has one. */
static enum AVCodecID codec_for(const struct mr_media_format *spec, const AVStream *stream)
{
    enum AVCodecID from = stream->codecpar->codec_id;
    bool is_styled = from == AV_CODEC_ID_ASS || from == AV_CODEC_ID_SSA;
    return is_styled && spec->text_subtitle == AV_CODEC_ID_SUBRIP ? AV_CODEC_ID_ASS : spec->text_subtitle;
}

enum mr_status mr_subtitles_init(struct mr_subtitles *subtitles, struct mr_parts *parts, size_t index,
                                 struct mr_err *err)
{
    const struct mr_input_track *from = &parts->input->texts[index];
    *subtitles = (struct mr_subtitles){.track = {.ops = &ops,
                                                 .slot = MR_SLOT_SUBTITLE + (enum mr_slot)index,
                                                 .parts = parts,
                                                 .stream = from->stream,
                                                 .declared_us = -1},
                                       .decoder = from->decoder};
    if (!from->decoder)
        return open_part(subtitles, err);
    subtitles->buffer = av_malloc(TEXT_MAX);
    int rc = subtitles->buffer
                 ? open_encoder(from->decoder, codec_for(parts->spec, from->stream), &subtitles->encoder)
                 : AVERROR(ENOMEM);
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the subtitles over");
    if (rc < 0) {
        avcodec_free_context(&subtitles->encoder);
        mr_track_give_up(&subtitles->track);
        return MR_OK;
    }
    return open_part(subtitles, err);
}
