/*
 * Measures what a listener will hear of what is being encoded: a decoder after a lossy encoder, and a meter after
 * that. Codecs cut off the highest frequencies, lower the level a little, and let peaks grow. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_MONITOR_H
#define MR_WORKER_MEDIA_MONITOR_H

#include "worker/media/meter.h"

struct mr_monitor {
    AVCodecContext *decoder; /* NULL: closed */
    AVFrame *frame;
};

/* True if what comes out of the encoder's decoder is not what went in. */
bool mr_monitor_is_needed(const AVCodecContext *encoder);
/* encoder is open. */
MR_MUST_CHECK enum mr_status mr_monitor_open(struct mr_monitor *monitor, const AVCodecContext *encoder,
                                             struct mr_err *err);
void mr_monitor_close(struct mr_monitor *monitor);
/* The encoder's packets as they come; NULL: no more. Needs an open monitor. */
MR_MUST_CHECK enum mr_status mr_monitor_listen(struct mr_monitor *monitor, const AVPacket *packet,
                                               struct mr_meter *meter, struct mr_err *err);

#endif
