/*
 * Loudness by EBU R 128 (ITU-R BS.1770): what it is, and the gain that brings it where it should be. Used by
 * one thread.
 */
#ifndef MR_WORKER_MEDIA_LOUDNESS_H
#define MR_WORKER_MEDIA_LOUDNESS_H

#include "shared/base/json.h"
#include "worker/media/filters.h"
#include "worker/media/options.h"
#include "worker/media/probe.h"

/* Listens to frames and leaves them as they are. */
struct mr_meter {
    struct mr_filters filters;
    AVFrame *frame;
    bool is_lost;      /* the form of the sound changed: there is no one number */
    double integrated; /* LUFS; NAN: nothing to hear yet, or silence */
    double true_peak;  /* dBTP; NAN: the same */
};

MR_MUST_CHECK enum mr_status mr_meter_init(struct mr_meter *meter, struct mr_err *err);
void mr_meter_free(struct mr_meter *meter);
MR_DEFINE_VALUE_CLEANUP(mr_meter, mr_meter_free)
MR_MUST_CHECK enum mr_status mr_meter_listen(struct mr_meter *meter, const AVFrame *frame,
                                             struct mr_err *err);
/* {integrated, true_peak}, or null. The caller owns it. */
json_t *mr_meter_describe(const struct mr_meter *meter);

/*
 * Reads the sound of the piece that the options leave of an input, whose place in the file afterwards is its
 * end. A sound that cannot be measured (silence) leaves NANs.
 */
MR_MUST_CHECK enum mr_status mr_loudness_measure(const struct mr_input *input,
                                                 const struct mr_media_options *options,
                                                 struct mr_meter *meter, struct mr_err *err);

/*
 * The filters that bring what was measured to `target` LUFS: a gain, and where peaks would go over -1 dBTP a
 * limiter behind it. "" if there is nothing to do.
 */
enum { MR_GAIN_MAX = 192 };
void mr_loudness_gain(const struct mr_meter *meter, double target, char out[MR_GAIN_MAX]);

#endif
