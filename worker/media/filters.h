/*
 * Between decoder and encoder: one filter graph of one kind. Audio is resampled, remixed and brought into the
 * encoder's sample format; frames go through a chain of filters that geometry.h writes. Frames whose form
 * differs from the first one's (a stream may change) need a new graph. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_FILTERS_H
#define MR_WORKER_MEDIA_FILTERS_H

#include "worker/media/av.h"
#include "worker/media/geometry.h"

#include <libavfilter/avfilter.h>

struct mr_filters {
    AVFilterGraph *graph;
    AVFilterContext *in;
    AVFilterContext *out;
    AVFrame *like; /* without data: the form of the frames that the graph takes */
    int threads;   /* that a graph of video may have; 0: one. Set by the caller */
};

void mr_filters_close(struct mr_filters *filters);
MR_DEFINE_VALUE_CLEANUP(mr_filters, mr_filters_close)

/* True if the frame can go into the present graph. */
bool mr_filters_fit(const struct mr_filters *filters, const AVFrame *frame);

/* A new graph for frames like this one, in their own rate's time base; what comes out has the encoder's rate
 * and layout. samples: the encoder's format, or one without a
 * ceiling. gain: filters that audio in the encoder's rate and layout goes through, or "". The old graph must
 * have been drained. */
MR_MUST_CHECK enum mr_status mr_filters_open_audio(struct mr_filters *filters, const AVFrame *frame,
                                                   const AVCodecContext *encoder, enum AVSampleFormat samples,
                                                   const char *gain, struct mr_err *err);
/* Audio comes out in frames of so many samples; the last of a graph may be shorter. */
void mr_filters_set_frame_size(struct mr_filters *filters, int samples);
/* The same for frames: `chain` in libavfilter's language, time stamps of the frames in `base`. */
MR_MUST_CHECK enum mr_status mr_filters_open_video(struct mr_filters *filters, const AVFrame *frame,
                                                   AVRational base, const char *chain, struct mr_err *err);

/* Takes the frame's data over. */
MR_MUST_CHECK enum mr_status mr_filters_push(struct mr_filters *filters, AVFrame *frame, struct mr_err *err);
/* No more frames; `end` is where the last one ends, in the frames' time base. Drain with mr_filters_pull. */
MR_MUST_CHECK enum mr_status mr_filters_end(struct mr_filters *filters, int64_t end, struct mr_err *err);
/* *ret_got false: nothing (more) for now. */
MR_MUST_CHECK enum mr_status mr_filters_pull(struct mr_filters *filters, AVFrame *frame, bool *ret_got,
                                             struct mr_err *err);
/* Scales one frame by itself: the logo, thumbnails. As large as fits, with bars around it; background
 * (RGB) is under transparent pixels where the target cannot have any. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_filters_still(const AVFrame *frame, const char *turn,
                                              const struct mr_frame_size *out, enum AVPixelFormat pixels,
                                              unsigned background, AVFrame **ret, struct mr_err *err);
/* Of the frames that come out. */
AVRational mr_filters_time_base(const struct mr_filters *filters);

#endif
