#include "worker/media/thumbnail.h"

#include "worker/media/filters.h"
#include "worker/media/geometry.h"
#include "worker/media/picture.h"
#include "worker/sandbox_client.h"

#include <errno.h>

enum { SLACK_US = 1000 /* half of the coarsest time base there is */ };

/* Without a width it is as wide as the frame is shown: pixels of an image are square. */
static struct mr_frame_size choose_size(const AVFrame *frame, const char *turn, int width)
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
    if (thumbnail->at_us < 0 || (thumbnail->frame && at_us > thumbnail->at_us + SLACK_US))
        return MR_OK;
    av_frame_free(&thumbnail->frame);
    thumbnail->frame = av_frame_clone(frame);
    thumbnail->turn = turn;
    return thumbnail->frame ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "keep a frame");
}

static json_t *describe(int bytes, const struct mr_frame_size *size)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:[{s:i, s:s, s:s, s:i, s:i}]}", "format", "jpg",
                     "container", "jpg", "codec", "mjpeg", "size", bytes, "width", size->width, "height",
                     size->height, "streams", "index", 0, "type", "video", "codec", "mjpeg", "width",
                     size->width, "height", size->height);
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
    struct mr_frame_size size = choose_size(thumbnail->frame, thumbnail->turn, thumbnail->width);
    MR_TRY(mr_filters_still(thumbnail->frame, thumbnail->turn, &size, AV_PIX_FMT_YUVJ420P,
                            thumbnail->background, &scaled, err));
    int rc = mr_picture_encode_jpeg(scaled, packet);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "make the thumbnail");
    if (!mr_client_write(parts->fds, (uint32_t)parts->first, 0, packet->data, (size_t)packet->size))
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(EPIPE), "write the thumbnail");
    json_t *description = describe(packet->size, &size);
    return json_array_append_new(parts->outputs, description) < 0 ? mr_fail_oom(err) : MR_OK;
}
