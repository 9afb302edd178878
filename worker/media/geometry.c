#include "worker/media/geometry.h"

#include "worker/media/alpha.h"

#include <libavutil/common.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SIDE_MIN = 2, SIDE_MAX = 16384, HD_HEIGHT = 720 };

static int even(double value)
{
    return 2 * (int)lround(fmin(fmax(value / 2, SIDE_MIN / 2), SIDE_MAX / 2));
}

static int even_below(int value)
{
    return FFMAX(value & ~1, SIDE_MIN);
}

static AVRational known(AVRational sar)
{
    return sar.num > 0 && sar.den > 0 ? sar : (AVRational){1, 1};
}

int mr_geometry_degrees(const int32_t *matrix)
{
    double turn = matrix ? av_display_rotation_get(matrix) : 0;
    return isnan(turn) ? 0 : (int)lround((360 - turn) / 90) * 90 % 360;
}

/* The matrix may mirror as well. */
const char *mr_geometry_turn_of(const int32_t *matrix)
{
    switch (mr_geometry_degrees(matrix)) {
    case 90:
        return matrix[3] > 0 ? "transpose=cclock_flip," : "transpose=clock,";
    case 180:
        return matrix[0] < 0 ? matrix[4] < 0 ? "hflip,vflip," : "hflip," : matrix[4] < 0 ? "vflip," : "";
    case 270:
        return matrix[3] < 0 ? "transpose=clock_flip," : "transpose=cclock,";
    default:
        return matrix && matrix[4] < 0 ? "vflip," : "";
    }
}

static struct mr_frame_size turned(struct mr_frame_size from, const char *turn)
{
    if (strncmp(turn, "transpose", 9) != 0)
        return from;
    return (struct mr_frame_size){from.height, from.width, {from.sar.den, from.sar.num}};
}

/* The box that the options ask for; the video would like to be width × height (square pixels). */
static void choose_box(const struct mr_options *options, double width, double height, int *ret_width,
                       int *ret_height)
{
    double w = options->resize.width, h = options->resize.height, aspect = width / height;
    if (options->resize.aspect.width)
        aspect = (double)options->resize.aspect.width / options->resize.aspect.height;
    if (w <= 0 && h <= 0) {
        bool is_wider = aspect > width / height, crops = options->resize.fit == MR_FIT_CROP;
        w = options->resize.fit == MR_FIT_STRETCH || is_wider == crops ? width : height * aspect;
        h = w / aspect;
    } else if (w <= 0) {
        w = h * aspect;
    } else if (h <= 0) {
        h = w / aspect;
    }
    *ret_width = even(w);
    *ret_height = even(h);
}

static void fit_by_crop(struct mr_geometry *g, const struct mr_frame_size *from, double width, double height)
{
    double aspect = (double)g->out.width / g->out.height;
    double w = fmin(width, height * aspect), h = w / aspect;
    g->crop_width = FFMIN(from->width, even(w * from->width / width));
    g->crop_height = FFMIN(from->height, even(h));
    g->scaled = g->out;
}

static void fit_by_pad(struct mr_geometry *g, double width, double height)
{
    /* Pixels of the output need not be square: a later frame goes into the first one's form. */
    width /= av_q2d(g->out.sar);
    double scale = fmin(g->out.width / width, g->out.height / height);
    g->scaled = g->out;
    g->scaled.width = FFMIN(even(width * scale), g->out.width);
    g->scaled.height = FFMIN(even(height * scale), g->out.height);
}

static void keep_size(struct mr_geometry *g, const struct mr_frame_size *from, bool square)
{
    g->out = *from;
    if (square && av_cmp_q(from->sar, (AVRational){1, 1}) != 0) {
        g->out = (struct mr_frame_size){even(from->width * av_q2d(from->sar)), from->height, {1, 1}};
    }
    /* One row or column goes rather than that all are resampled. */
    g->out.width = even_below(g->out.width);
    g->out.height = even_below(g->out.height);
    if (av_cmp_q(from->sar, g->out.sar) == 0) {
        g->crop_width = FFMIN(g->out.width, from->width);
        g->crop_height = FFMIN(g->out.height, from->height);
    }
    g->scaled = g->out;
}

static struct mr_frame_size begin(struct mr_geometry *g, const AVFrame *frame, const char *turn)
{
    *g = (struct mr_geometry){.background = MR_WHITE,
                              .in = {frame->width, frame->height, known(frame->sample_aspect_ratio)},
                              .deinterlaces = frame->interlaced_frame};
    snprintf(g->turn, sizeof g->turn, "%s", turn);
    return turned(g->in, g->turn);
}

void mr_geometry_plan(struct mr_geometry *ret, const AVFrame *frame, const int32_t *matrix,
                      const struct mr_options *options, const struct mr_media_format *format)
{
    mr_geometry_turn(ret, frame, mr_geometry_turn_of(matrix), options, format);
}

void mr_geometry_turn(struct mr_geometry *ret, const AVFrame *frame, const char *turn,
                      const struct mr_options *options, const struct mr_media_format *format)
{
    struct mr_frame_size from = begin(ret, frame, turn);
    double width = from.width * av_q2d(from.sar), height = from.height;
    ret->tells_colours = format->tells_colours;
    ret->background = options->background;
    if (!mr_options_resize(options)) {
        keep_size(ret, &from, format->square_pixels);
        return;
    }
    ret->out.sar = (AVRational){1, 1};
    choose_box(options, width, height, &ret->out.width, &ret->out.height);
    if (options->resize.fit == MR_FIT_CROP)
        fit_by_crop(ret, &from, width, height);
    else if (options->resize.fit == MR_FIT_STRETCH)
        ret->scaled = ret->out;
    else
        fit_by_pad(ret, width, height);
}

bool mr_geometry_is_for(const struct mr_geometry *geometry, const AVFrame *frame)
{
    const struct mr_frame_size *in = &geometry->in;
    return in->width == frame->width && in->height == frame->height &&
           av_cmp_q(in->sar, known(frame->sample_aspect_ratio)) == 0;
}

void mr_geometry_fit(struct mr_geometry *ret, const AVFrame *frame, const char *turn,
                     struct mr_frame_size out)
{
    struct mr_frame_size from = begin(ret, frame, turn);
    ret->out = out;
    fit_by_pad(ret, from.width * av_q2d(from.sar), from.height);
}

struct text {
    char *at;
    size_t left;
};

static void append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    size_t done = FFMIN((size_t)FFMAX(len, 0), text->left - 1);
    text->at += done;
    text->left -= done;
}

/* RGB has no matrix to keep, and that of wide colours must be told: the one that players assume for such a
 * size. */
static const char *matrix_for(const struct mr_geometry *g, const AVFrame *frame, bool blends)
{
    const AVPixFmtDescriptor *pixels = av_pix_fmt_desc_get(frame->format);
    bool has_none = blends || (pixels && (pixels->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)));
    if (!has_none && (g->tells_colours || frame->colorspace != AVCOL_SPC_BT2020_NCL))
        return "";
    return g->out.height >= HD_HEIGHT ? ":out_color_matrix=bt709" : ":out_color_matrix=smpte170m";
}

bool mr_geometry_is_hdr(enum AVColorTransferCharacteristic transfer)
{
    return transfer == AVCOL_TRC_SMPTE2084 || transfer == AVCOL_TRC_ARIB_STD_B67;
}

/* Into the colours of an ordinary screen. It counts in floating point: frames should be small by now. */
static void append_tone_mapping(struct text *text, const AVFrame *frame)
{
    append(text, "zscale=t=linear:npl=100");
    if (frame->colorspace == AVCOL_SPC_UNSPECIFIED)
        append(text, ":min=%d", AVCOL_SPC_BT2020_NCL);
    if (frame->color_primaries == AVCOL_PRI_UNSPECIFIED)
        append(text, ":pin=%d", AVCOL_PRI_BT2020);
    append(text, ",format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,"
                 "format=yuv444p,");
}

static bool is_full_range(const AVFrame *frame)
{
    return frame->color_range == AVCOL_RANGE_JPEG || frame->format == AV_PIX_FMT_YUVJ420P ||
           frame->format == AV_PIX_FMT_YUVJ422P || frame->format == AV_PIX_FMT_YUVJ444P;
}

/* JPEG uses the full range, video the studio's. A palette has none. */
static const char *range_for(enum AVPixelFormat pixels)
{
    return pixels == AV_PIX_FMT_PAL8 ? "" : pixels == AV_PIX_FMT_YUVJ420P ? ":out_range=pc" : ":out_range=tv";
}

static void append_palette(struct text *text, bool is_transparent)
{
    /* A palette for each frame: one for the whole clip would need the whole clip in memory. */
    append(text,
           "split[a][b];[a]palettegen=stats_mode=single:reserve_transparent=%d[p];[b][p]paletteuse=new=1:"
           "dither=bayer:bayer_scale=3,",
           is_transparent);
}

static bool blends(const AVFrame *frame, enum AVPixelFormat pixels)
{
    return mr_alpha_is_possible(frame->format) && !mr_alpha_is_possible(pixels);
}

/* Puts the frame on a copy of itself that is all background. */
static void append_background(struct text *text, unsigned colour)
{
    append(text,
           "format=rgba,split[top][under];[under]lutrgb=r=%u:g=%u:b=%u:a=255[ground];[ground][top]overlay="
           "format=rgb,",
           colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff);
}

/* Size, pixel format and meaning of the numbers. `now` is what the frames have come to. */
static void append_scaling(struct text *text, const struct mr_geometry *g, const AVFrame *frame,
                           const struct mr_frame_size *now, enum AVPixelFormat pixels)
{
    bool palette = pixels == AV_PIX_FMT_PAL8;
    bool maps_tones = mr_geometry_is_hdr(frame->color_trc) && !g->tells_colours;
    const char *matrix = palette || maps_tones ? "" : matrix_for(g, frame, blends(frame, pixels));
    bool converts = frame->format != (int)pixels || is_full_range(frame) || matrix[0];
    if (maps_tones) {
        append(text, "scale=%d:%d,", g->scaled.width, g->scaled.height);
        append_tone_mapping(text, frame);
    }
    if (now->width != g->scaled.width || now->height != g->scaled.height || (converts && !palette))
        append(text, "scale=%d:%d%s%s,", g->scaled.width, g->scaled.height, range_for(pixels), matrix);
    if (!palette)
        append(text, "format=%s,", av_get_pix_fmt_name(pixels));
}

void mr_geometry_chain(const struct mr_geometry *g, const AVFrame *frame, enum AVPixelFormat pixels,
                       AVRational fps, char out[MR_CHAIN_MAX])
{
    struct text text = {out, MR_CHAIN_MAX};
    struct mr_frame_size now = turned(g->in, g->turn);
    if (g->deinterlaces)
        append(&text, "bwdif=mode=send_frame:deint=interlaced,");
    /* Early what makes frames fewer or smaller. */
    if (fps.num > 0)
        append(&text, "fps=%d/%d,", fps.num, fps.den);
    append(&text, "%s", g->turn);
    if (g->crop_width && (g->crop_width != now.width || g->crop_height != now.height)) {
        append(&text, "crop=%d:%d:exact=1,", g->crop_width, g->crop_height);
        now.width = g->crop_width;
        now.height = g->crop_height;
    }
    if (blends(frame, pixels))
        append_background(&text, g->background);
    append_scaling(&text, g, frame, &now, pixels);
    if (g->scaled.width != g->out.width || g->scaled.height != g->out.height)
        append(&text, "pad=%d:%d:%d:%d:black,", g->out.width, g->out.height,
               (g->out.width - g->scaled.width) / 4 * 2, (g->out.height - g->scaled.height) / 4 * 2);
    if (pixels == AV_PIX_FMT_PAL8)
        append_palette(&text, mr_alpha_is_possible(frame->format));
    append(&text, "setsar=%d/%d", g->out.sar.num, g->out.sar.den);
}
