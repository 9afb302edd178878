/*
 * Between decoder and encoder: resampling, remixing and sample format, cut into the encoder's frames. Frames
 * whose form differs from the last ones' (a stream may change) get a new graph. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_FILTERS_H
#define MR_WORKER_MEDIA_FILTERS_H

#include "worker/media/av.h"

#include <libavfilter/avfilter.h>

struct mr_filters {
    const AVCodecContext *encoder; /* what must come out; not owned */
    AVFilterGraph *graph;
    AVFilterContext *in;
    AVFilterContext *out;
    int rate; /* what the graph takes */
    int format;
    AVChannelLayout layout;
};

void mr_filters_close(struct mr_filters *filters);
MR_DEFINE_VALUE_CLEANUP(mr_filters, mr_filters_close)

/* True if the frame can go into the present graph. */
bool mr_filters_fit(const struct mr_filters *filters, const AVFrame *frame);
/* A new graph for frames like this one. The old one must have been drained. */
MR_MUST_CHECK enum mr_status mr_filters_open(struct mr_filters *filters, const AVFrame *frame,
                                             struct mr_err *err);
/* Takes the frame's data over; NULL: the end, drain with mr_filters_pull. */
MR_MUST_CHECK enum mr_status mr_filters_push(struct mr_filters *filters, AVFrame *frame, struct mr_err *err);
/* *ret_got false: nothing (more) for now. */
MR_MUST_CHECK enum mr_status mr_filters_pull(struct mr_filters *filters, AVFrame *frame, bool *ret_got,
                                             struct mr_err *err);

#endif
