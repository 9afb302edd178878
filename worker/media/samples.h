/*
 * Makes, silences, crops and repairs frames of audio. Any sample format, any number of channels. Stateless.
 */
#ifndef MR_WORKER_MEDIA_SAMPLES_H
#define MR_WORKER_MEDIA_SAMPLES_H

#include "worker/media/av.h"

#include "shared/base/err.h"

/* A frame in the encoder's form, of so many samples without values, or of silence. NULL: no memory. The
 * caller owns it. */
AVFrame *mr_samples_new(const AVCodecContext *encoder, int samples);
AVFrame *mr_samples_new_silence(const AVCodecContext *encoder, int samples);

/* Leaves `count` samples from `first` on; both within the frame. */
void mr_samples_crop(AVFrame *frame, int first, int count);

/* Crops a frame that begins `at` samples after (or before) the beginning of a clip to what is in it. length: of
 * the clip, in samples; INT64_MAX: no end. May leave no samples. */
void mr_samples_crop_to(AVFrame *frame, int64_t at, int64_t length);

/* Refuses audio of a form that no recording has, with the code invalid_media: at 1 Hz, kilobytes last for days. */
MR_MUST_CHECK enum mr_status mr_samples_check_form(int sample_rate, int channels, struct mr_err *err);

/* Floating-point samples can be anything, and encoders refuse or crash on some of it: NaN becomes 0, what is
 * beyond 80 dB over full scale is clipped there. *ret_count: how many samples were changed. Other formats stay as
 * they are. */
MR_MUST_CHECK enum mr_status mr_samples_repair(AVFrame *frame, int64_t *ret_count, struct mr_err *err);

#endif
