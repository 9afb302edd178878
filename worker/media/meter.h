/*
 * How loud audio is: integrated loudness by EBU R 128 (ITU-R BS.1770-4, gated) and true peak. Frames pass by
 * and stay as they are. Made to be cheap beside any decoder, for every result says how loud it is. Audio
 * whose form changes goes on being measured: what was heard so far counts. Memory is bounded: blocks are
 * counted in bins. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_METER_H
#define MR_WORKER_MEDIA_METER_H

#include "shared/base/json.h"
#include "worker/media/av.h"
#include "worker/media/k_weighting.h"
#include "worker/media/true_peak.h"

/* A block of 400 ms overlaps the next by three of its four steps. */
enum { MR_METER_STEPS = 4, MR_METER_BINS_PER_LU = 10, MR_METER_BINS = 90 * MR_METER_BINS_PER_LU };

struct mr_meter_pair;

struct mr_meter {
    AVFrame *like;               /* without data: the form of the frames of late; NULL: there was none */
    struct mr_meter_pair *pairs; /* of channels; owned */
    int pair_count;
    struct mr_k_weighting weighting;
    struct mr_interpolator interpolator;
    int fill; /* samples in the pairs' buffers */

    int step_samples, step_left;   /* of the present step */
    double steps[MR_METER_STEPS];  /* energy of the last steps, the present one first */
    int steps_done;                /* up to MR_METER_STEPS - 1 */
    double energy[MR_METER_BINS];  /* of the blocks in each bin from -70 LUFS, */
    int64_t blocks[MR_METER_BINS]; /* and how many these are */
    float peak;
};

void mr_meter_init(struct mr_meter *meter);
void mr_meter_free(struct mr_meter *meter);
MR_DEFINE_VALUE_CLEANUP(mr_meter, mr_meter_free)
/* Fails for want of memory alone. */
MR_MUST_CHECK enum mr_status mr_meter_listen(struct mr_meter *meter, const AVFrame *frame,
                                             struct mr_err *err);

/* An empty meter goes on with what another has heard, in samples that end at full scale. */
void mr_meter_continue(struct mr_meter *meter, const struct mr_meter *other);

/* LUFS, dBTP; NAN: silence, or less than 400 ms. More may be heard afterwards. */
double mr_meter_integrated(const struct mr_meter *meter);
double mr_meter_true_peak(const struct mr_meter *meter);
/* {integrated, true_peak}, or null. The caller owns it. */
json_t *mr_meter_describe(const struct mr_meter *meter);

#endif
