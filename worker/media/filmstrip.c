#include "worker/media/filmstrip.h"

#include "shared/base/encoding.h"
#include "shared/media/file_stem.h"
#include "worker/media/extra.h"
#include "worker/media/filters.h"
#include "worker/media/picture.h"
#include "worker/media/thumbnail.h"

#include <errno.h>
#include <libavutil/imgutils.h>

enum {
    COLUMNS = 10,
    USUAL_WIDTH = 160,
    TALLEST = 2, /* times its width; what is taller gets bars */
    FIRST_INTERVAL_US = 100 * 1000,
    SLACK_US = 1000, /* half of the coarsest time base there is */
    TEXT_MAX = 1 << 20,
};

void mr_filmstrip_free(struct mr_filmstrip *strip)
{
    for (int i = 0; i < strip->count; i++)
        av_frame_free(&strip->tiles[i]);
    av_freep(&strip->tiles);
    av_frame_free(&strip->shown);
    av_frame_free(&strip->scaled);
}

static enum mr_status no_memory(struct mr_err *err)
{
    return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "make the filmstrip");
}

static enum mr_status begin(struct mr_filmstrip *strip, const AVFrame *frame, const char *turn,
                            struct mr_err *err)
{
    strip->tiles = av_calloc((size_t)strip->frames, sizeof *strip->tiles);
    if (!strip->tiles)
        return no_memory(err);
    const int width = strip->width ? strip->width : USUAL_WIDTH;
    strip->interval_us = FIRST_INTERVAL_US;
    strip->size = mr_thumbnail_size(frame, turn, width);
    strip->size.width = width;
    strip->size.height = av_clip(strip->size.height & ~1, 2, TALLEST * width);
    return MR_OK;
}

static void halve(struct mr_filmstrip *strip)
{
    for (int i = 0; i < strip->count; i++)
        if (i % 2)
            av_frame_free(&strip->tiles[i]);
        else
            strip->tiles[i / 2] = strip->tiles[i];
    strip->count = (strip->count + 1) / 2;
    strip->interval_us *= 2;
}

static enum mr_status add(struct mr_filmstrip *strip, struct mr_err *err)
{
    if (!strip->scaled)
        MR_TRY(mr_filters_still(strip->shown, strip->turn, &strip->size, AV_PIX_FMT_YUVJ420P,
                                strip->background, &strip->scaled, err));
    AVFrame *tile = av_frame_clone(strip->scaled);
    if (!tile)
        return no_memory(err);
    strip->tiles[strip->count++] = tile;
    return MR_OK;
}

/* The frame that is shown is that of all intervals that begin before this time and have none yet. */
static enum mr_status fill(struct mr_filmstrip *strip, int64_t until_us, struct mr_err *err)
{
    while (strip->count * strip->interval_us + SLACK_US < until_us)
        if (strip->count == strip->frames)
            halve(strip);
        else
            MR_TRY(add(strip, err));
    return MR_OK;
}

enum mr_status mr_filmstrip_offer(struct mr_filmstrip *strip, const AVFrame *frame, const char *turn,
                                  int64_t at_us, struct mr_err *err)
{
    if (!strip->frames)
        return MR_OK;
    if (!strip->tiles)
        MR_TRY(begin(strip, frame, turn, err));
    if (strip->shown)
        MR_TRY(fill(strip, at_us, err));
    av_frame_free(&strip->scaled);
    av_frame_free(&strip->shown);
    strip->shown = av_frame_clone(frame);
    strip->turn = turn;
    return strip->shown ? MR_OK : no_memory(err);
}

static void place(const struct mr_filmstrip *strip, int i, AVFrame *picture)
{
    const int x = i % COLUMNS * strip->size.width, y = i / COLUMNS * strip->size.height;
    uint8_t *planes[4] = {picture->data[0] + (ptrdiff_t)y * picture->linesize[0] + x,
                          picture->data[1] + (ptrdiff_t)(y / 2) * picture->linesize[1] + x / 2,
                          picture->data[2] + (ptrdiff_t)(y / 2) * picture->linesize[2] + x / 2};
    av_image_copy(planes, picture->linesize, (const uint8_t **)strip->tiles[i]->data,
                  strip->tiles[i]->linesize, AV_PIX_FMT_YUVJ420P, strip->size.width, strip->size.height);
}

/* All frames in rows; what is left of the last row is black. */
static int draw(const struct mr_filmstrip *strip, AVFrame *picture)
{
    enum { BLACK = 0, NO_COLOUR = 128 };
    picture->width = FFMIN(strip->count, COLUMNS) * strip->size.width;
    picture->height = (strip->count + COLUMNS - 1) / COLUMNS * strip->size.height;
    picture->format = AV_PIX_FMT_YUVJ420P;
    int rc = av_frame_get_buffer(picture, 0);
    for (int plane = 0; rc >= 0 && plane < 3; plane++)
        memset(picture->data[plane], plane ? NO_COLOUR : BLACK,
               (size_t)picture->linesize[plane] * (size_t)(plane ? picture->height / 2 : picture->height));
    for (int i = 0; rc >= 0 && i < strip->count; i++)
        place(strip, i, picture);
    return rc;
}

static enum mr_status add_picture(const struct mr_filmstrip *strip, struct mr_parts *parts,
                                  struct mr_err *err)
{
    MR_AUTO_FRAME AVFrame *picture = av_frame_alloc();
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    if (!picture || !packet)
        return no_memory(err);
    int rc = draw(strip, picture);
    if (rc >= 0)
        rc = mr_picture_encode_jpeg(picture, packet);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "make the filmstrip");
    return mr_extra_add(parts, packet->data, (size_t)packet->size,
                        mr_extra_picture("jpg", "mjpeg", picture->width, picture->height), err);
}

static enum mr_status append_time(struct mr_buf *text, int64_t us, struct mr_err *err)
{
    const long long ms = us / 1000;
    return mr_buf_appendf(text, err, "%02lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60,
                          ms / 1000 % 60, ms % 1000);
}

static enum mr_status append_cue(const struct mr_filmstrip *strip, int i, int64_t end_us, const char *picture,
                                 struct mr_buf *text, struct mr_err *err)
{
    const struct mr_frame_size *size = &strip->size;
    MR_TRY(mr_buf_append_str(text, "\n", err));
    MR_TRY(append_time(text, i * strip->interval_us, err));
    MR_TRY(mr_buf_append_str(text, " --> ", err));
    MR_TRY(append_time(text, i + 1 < strip->count ? (i + 1) * strip->interval_us : end_us, err));
    return mr_buf_appendf(text, err, "\n%s#xywh=%d,%d,%d,%d\n", picture, i % COLUMNS * size->width,
                          i / COLUMNS * size->height, size->width, size->height);
}

static enum mr_status add_text(const struct mr_filmstrip *strip, struct mr_parts *parts, int64_t end_us,
                               const char *name, struct mr_err *err)
{
    char stem[MR_FILE_STEM_MAX + 1];
    mr_file_stem(name ? name : "", stem);
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(TEXT_MAX);
    MR_AUTO(mr_buf) struct mr_buf picture = MR_BUF_INIT(TEXT_MAX);
    MR_TRY(mr_percent_encode(&picture, stem, false, err));
    MR_TRY(mr_buf_append_str(&picture, "-filmstrip.jpg", err));
    MR_TRY(mr_buf_append_str(&text, "WEBVTT\n", err));
    for (int i = 0; i < strip->count; i++)
        MR_TRY(append_cue(strip, i, end_us, mr_buf_str(&picture), &text, err));
    return mr_extra_add(parts, text.data, text.len, mr_extra_text("vtt"), err);
}

enum mr_status mr_filmstrip_write(struct mr_filmstrip *strip, struct mr_parts *parts, int64_t end_us,
                                  const char *name, struct mr_err *err)
{
    if (!strip->shown)
        return MR_OK;
    end_us = FFMAX(end_us, 2 * SLACK_US);
    MR_TRY(fill(strip, end_us, err));
    MR_TRY(add_picture(strip, parts, err));
    return add_text(strip, parts, end_us, name, err);
}
