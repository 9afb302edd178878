/*
 * The entry of a job's child (mr_sandbox_entry): reads the spec, converts, reports. Runs confined; the only
 * outside world are its descriptors. This header is all that the rest of the worker knows of worker/media.
 *
 * The spec is a JSON object:
 *   format      the name of the output's format (shared/data/formats.h); required but for a probe
 *   options     shared/data/options.h; may be absent
 *   probe       true: nothing is made; the receipt is {"input"} alone; may be absent
 *   input_size  bytes of the input; required
 *   input_name  its file name, a hint for the demuxer's choice; may be absent
 *   logo_size   bytes of the source MR_SOURCE_LOGO, a PNG; may be absent
 *   max_pixels, max_duration_seconds  what a picture and a file may have; may be absent
 *
 * The receipt (the result record):
 *   input, output  {container, codec, duration_ms, sample_rate, channels, bit_rate, size}
 *   copied         true if the audio was not encoded anew
 *   kept           what was carried over: "tag:title", "cover_art", "chapters"
 *   dropped        [{what, why}]
 *   warnings       [{code, detail}], e.g. damaged packets
 */
#ifndef MR_WORKER_MEDIA_CONVERT_H
#define MR_WORKER_MEDIA_CONVERT_H

#include "worker/sandbox.h"

int mr_media_run(const void *spec, size_t len, const struct mr_sandbox_fds *fds);

#endif
