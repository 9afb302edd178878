/*
 * What a file is, as its container says: the input's half of a receipt, and all that a probe tells.
 */
#ifndef MR_WORKER_MEDIA_DESCRIBE_H
#define MR_WORKER_MEDIA_DESCRIBE_H

#include "shared/base/json.h"
#include "worker/media/probe.h"

/*
 *   container    its short name, "mov"
 *   duration_ms  as the container states or libav estimates it; 0: unknown
 *   size, bit_rate
 *   streams      [{index, type (video, audio, subtitle, cover, attachment, data), codec, …}], at most as many
 * as are opened; of a picture width, height, fps, rotation (degrees clockwise that players turn it),
 *                sample_aspect_ratio, pixel_format; of sound sample_rate, channels, layout; where it is said
 *                language, title, duration_ms, bit_rate
 *   tags         {key: value}, keys in lower case; only so many and so long
 *   chapters     how many
 * and, for programs that know one stream alone, codec of the picture or else of the sound, width, height,
 * sample_rate, channels. NULL for want of memory.
 */
json_t *mr_describe_input(const struct mr_input *input);

#endif
