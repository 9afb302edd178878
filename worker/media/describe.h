/*
 * What a file is, as its container says: the two halves of a receipt, of which a probe reports the first.
 */
#ifndef MR_WORKER_MEDIA_DESCRIBE_H
#define MR_WORKER_MEDIA_DESCRIBE_H

#include "shared/base/json.h"
#include "worker/media/demuxer.h"
#include "worker/media/muxer.h"

/*
 *   container    its short name, "mov"
 *   duration_ms  as the container states or libav estimates it; 0: unknown
 *   size, bit_rate
 *   streams      [{index, type (video, audio, subtitle, cover, attachment, data), codec, …}], at most as many
 * as are opened; of video width, height, fps, rotation (degrees clockwise that players turn it),
 *                sample_aspect_ratio, pixel_format; of audio sample_rate, channels, layout; where it is said
 *                language, title, duration_ms, bit_rate
 *   tags         {key: value}, keys in lower case; only so many and so long
 *   tags_left_out  how many tags are not in it, if any
 *   chapters     how many
 * and, for programs that know one stream alone, codec of the video or else of the audio, width, height,
 * sample_rate, channels. NULL for want of memory.
 */
json_t *mr_describe_input(const struct mr_demuxer *input);

/*
 * An output's half, once it is finished and lasts so long: format, container, duration_ms, size, bit_rate,
 * streams and what else stands at the top of an input; of its streams bit_rate and duration_ms are not known.
 * NULL for want of memory.
 */
json_t *mr_describe_output(const struct mr_muxer *output, int64_t us);

#endif
