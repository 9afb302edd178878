/*
 * Makes, silences and crops frames of audio. Any sample format, any number of channels. Stateless.
 */
#ifndef MR_WORKER_MEDIA_SAMPLES_H
#define MR_WORKER_MEDIA_SAMPLES_H

#include "worker/media/av.h"

/* A frame in the encoder's form, of so many samples without values, or of silence. NULL: no memory. The
 * caller owns it. */
AVFrame *mr_samples_new(const AVCodecContext *encoder, int samples);
AVFrame *mr_samples_new_silence(const AVCodecContext *encoder, int samples);

/* Leaves `count` samples from `first` on; both within the frame. */
void mr_samples_crop(AVFrame *frame, int first, int count);

/* Crops a frame that begins `at` samples after (or before) the beginning of a clip to what is in it. length: of
 * the clip, in samples; INT64_MAX: no end. May leave no samples. */
void mr_samples_crop_to(AVFrame *frame, int64_t at, int64_t length);

#endif
