#include "worker/media/thumbnail.h"

#include "worker/media/extra.h"
#include "worker/media/filters.h"
#include "worker/media/picture.h"

#include <errno.h>

enum { SLACK_US = 1000 /* half of the coarsest time base there is */ };

struct mr_frame_size mr_thumbnail_size(const AVFrame *frame, const char *turn, int width)
{
    struct mr_geometry geometry;
    const struct mr_options options = {.resize = {.width = width, .fit = MR_FIT_STRETCH}};
    const struct mr_media_format image = {.square_pixels = true};
    mr_geometry_turn(&geometry, frame, turn, &options, &image);
    return geometry.out;
}

void mr_thumbnail_free(struct mr_thumbnail *thumbnail)
{
    av_frame_free(&thumbnail->frame);
}

enum mr_status mr_thumbnail_offer(struct mr_thumbnail *thumbnail, const AVFrame *frame, const char *turn,
                                  int64_t at_us, struct mr_err *err)
{
    thumbnail->is_found = thumbnail->frame && at_us > thumbnail->at_us + SLACK_US;
    if (thumbnail->at_us < 0 || thumbnail->is_found)
        return MR_OK;
    av_frame_free(&thumbnail->frame);
    thumbnail->frame = av_frame_clone(frame);
    thumbnail->turn = turn;
    return thumbnail->frame ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
}

enum mr_status mr_thumbnail_write(const struct mr_thumbnail *thumbnail, struct mr_parts *parts,
                                  struct mr_err *err)
{
    if (!thumbnail->frame)
        return MR_OK;
    MR_AUTO_FRAME AVFrame *scaled = NULL;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    if (!packet)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "make the thumbnail");
    struct mr_frame_size size = mr_thumbnail_size(thumbnail->frame, thumbnail->turn, thumbnail->width);
    MR_TRY(mr_filters_still(thumbnail->frame, thumbnail->turn, &size, AV_PIX_FMT_YUVJ420P,
                            thumbnail->background, &scaled, err));
    int rc = mr_picture_encode_jpeg(scaled, packet);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "make the thumbnail");
    return mr_extra_add(parts, packet->data, (size_t)packet->size,
                        mr_extra_picture("jpg", "mjpeg", size.width, size.height), err);
}
