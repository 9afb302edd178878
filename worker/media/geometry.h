/*
 * How the form of video frames changes: rotation, size, pixel aspect and pixel format, as a chain of
 * libavfilter's filters. Pure: numbers in, text out.
 */
#ifndef MR_WORKER_MEDIA_GEOMETRY_H
#define MR_WORKER_MEDIA_GEOMETRY_H

#include "shared/media/options.h"
#include "worker/media/formats.h"

#include <libavutil/frame.h>

enum { MR_CHAIN_MAX = 1024, MR_WHITE = 0xffffff };

struct mr_frame_size {
    int width, height;
    AVRational sar; /* sample aspect ratio; never 0 */
};

struct mr_geometry {
    struct mr_frame_size in;  /* as decoded */
    struct mr_frame_size out; /* as encoded */
    int crop_width;           /* of the rotated frame, before scaling; 0: whole */
    int crop_height;
    struct mr_frame_size scaled; /* within out, the rest is black */
    char turn[40];               /* the filters of the rotation, each followed by a comma */
    bool deinterlaces;           /* the frames hold two fields, or may */
    unsigned background;         /* RGB, 24 bits: takes the place of transparency where the output has none */
    bool tells_colours;          /* the output says what its numbers mean, so they may stay */
};

/* The geometry of a stream's first frame. matrix is its display matrix (9 numbers), or NULL. */
void mr_geometry_plan(struct mr_geometry *ret, const AVFrame *frame, const int32_t *matrix,
                      const struct mr_options *options, const struct mr_media_format *format);
/* The same for a turn that is known (mr_geometry.turn). */
void mr_geometry_turn(struct mr_geometry *ret, const AVFrame *frame, const char *turn,
                      const struct mr_options *options, const struct mr_media_format *format);
/* True if a frame is of the size and form that this was made for. */
bool mr_geometry_is_for(const struct mr_geometry *geometry, const AVFrame *frame);
/* For a later frame of another size, or the logo: into the same `out`, whole, with bars; into usual colours,
 * too, for the output may not say what its numbers mean. */
void mr_geometry_fit(struct mr_geometry *ret, const AVFrame *frame, const char *turn,
                     struct mr_frame_size out);

/* The chain that brings frames like this one into the encoder's form; fps 0/1: frames stay. */
void mr_geometry_chain(const struct mr_geometry *geometry, const AVFrame *frame, enum AVPixelFormat pixels,
                       AVRational fps, char out[MR_CHAIN_MAX]);

/* True if its numbers mean more light than an ordinary screen has (PQ, HLG). */
bool mr_geometry_is_hdr(enum AVColorTransferCharacteristic transfer);

/* The filters that a display matrix asks for, each with a comma behind it. */
const char *mr_geometry_turn_of(const int32_t *matrix);

/* Quarter turns that a display matrix asks for: 0, 90, 180, 270 degrees clockwise. */
int mr_geometry_degrees(const int32_t *matrix);

#endif
