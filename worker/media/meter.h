/*
 * Measures how loud audio is: integrated loudness by EBU R 128 (ITU-R BS.1770-4, gated) and true peak. Frames are
 * read and stay as they are. It is cheap compared with a decoder, since the receipt of all that is decoded states the
 * loudness. Audio whose format changes is measured on: earlier samples count. Memory is bounded: blocks are counted in bins. Used
 * by one thread.
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
    AVFrame *like;               /* without data: the format of the last frames; NULL: none yet */
    struct mr_meter_pair *pairs; /* of channels; owned */
    int pair_count;
    struct mr_k_weighting weighting;
    struct mr_interpolator interpolator;
    int fill; /* samples in the pairs' buffers */

    int step_samples, step_left;  /* of the present step */
    double steps[MR_METER_STEPS]; /* energy of the last steps, the present one first */
    int steps_done;               /* up to MR_METER_STEPS - 1 */
    int64_t at;       /* where the next sample is, counted in samples from the beginning of the audio */
    int64_t from, to; /* blocks count that end behind `from` and not behind `to` */
    double energy[MR_METER_BINS];  /* of the blocks in each bin from -70 LUFS, */
    int64_t blocks[MR_METER_BINS]; /* and how many these are */
    float peak;
};

void mr_meter_init(struct mr_meter *meter);
void mr_meter_free(struct mr_meter *meter);
MR_DEFINE_VALUE_CLEANUP(mr_meter, mr_meter_free)
/* Before the first frame, which begins so many samples behind the beginning of the audio. */
void mr_meter_begin(struct mr_meter *meter, int64_t at);
/* Counts a slice of the audio alone, in samples: [from, to). Meters of slices that follow each other count together what one
 * would, if each hears a second before its slice and a little behind it (to INT64_MAX: to the end). */
void mr_meter_slice(struct mr_meter *meter, int64_t from, int64_t to);
/* What a slice has counted, and the sum of two: {peak, blocks: {bin: [count, energy]}}. NULL: no memory. The caller owns
 * it. */
json_t *mr_meter_counts(const struct mr_meter *meter);
/* Adds such counts. Code: internal, if they are none. */
MR_MUST_CHECK enum mr_status mr_meter_add(struct mr_meter *meter, const json_t *counts, struct mr_err *err);
/* Measures a frame. Fails only without memory. */
MR_MUST_CHECK enum mr_status mr_meter_listen(struct mr_meter *meter, const AVFrame *frame,
                                             struct mr_err *err);

/* Gives an empty meter what another has measured, in samples that end at full scale. */
void mr_meter_continue(struct mr_meter *meter, const struct mr_meter *other);

/* LUFS, dBTP; NAN: silence, or less than 400 ms. More frames may follow. */
double mr_meter_integrated(const struct mr_meter *meter);
double mr_meter_true_peak(const struct mr_meter *meter);
/* {integrated, true_peak}, or null. The caller owns it. */
json_t *mr_meter_describe(const struct mr_meter *meter);

#endif
