/*
 * What a conversion may cost. A small file can ask for hours of work: a picture that is shown for an hour, at 120
 * frames a second and the largest size. So work is estimated before the first frame is encoded, and counted after
 * it, since a file may say nothing of its length, or lie.
 *
 * The unit is a megapixel that libx264 encodes with its preset veryfast; the weights of everything else were
 * measured (work.c). A file may cost at most the limit of the configuration, and at most a tenth of that and 20
 * megapixels for each KiB of its size. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_WORK_H
#define MR_WORKER_MEDIA_WORK_H

#include "shared/base/err.h"

#include <stdint.h>

#define MR_WORK_DECODE_WEIGHT 0.1 /* of a decoded pixel, against an encoded one */

struct mr_work {
    double max; /* megapixels; 0: no limit */
    double done;
};

/* max in megapixels, 0: no limit; input_size in bytes. */
struct mr_work mr_work_of(int64_t max, int64_t input_size);

/* The weight of an encoder of libav, with a preset or NULL. */
double mr_work_weight(const char *encoder, const char *preset);

/* MR_TOO_LARGE with code too_expensive, as of the functions below, if so much would be over the limit. */
MR_MUST_CHECK enum mr_status mr_work_plan_video(const struct mr_work *work, double weight, int width,
                                                int height, double fps, double seconds, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_work_plan_audio(const struct mr_work *work, int rate, int channels,
                                                double seconds, struct mr_err *err);

/* Counts what is done. */
MR_MUST_CHECK enum mr_status mr_work_encoded(struct mr_work *work, double weight, int width, int height,
                                             struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_work_decoded(struct mr_work *work, int width, int height, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_work_samples(struct mr_work *work, int64_t samples, int channels,
                                             struct mr_err *err);

#endif
