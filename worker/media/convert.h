/*
 * The entry of a job's child (mr_sandbox_entry): reads the spec, converts, reports. Runs confined; the only
 * outside world are its descriptors. This header is all that the rest of the worker knows of worker/media.
 *
 * The spec is a JSON object:
 *   format      the name of the output's format (shared/media/formats.h); required but for a probe
 *   options     shared/media/options.h; may be absent
 *   probe       true: nothing is converted; the receipt is {"input"}, and if the options ask for previews (previews.h) outputs,
 *               dropped and warnings; may be absent
 *   input_size  bytes of the input; required
 *   input_name  its file name, a hint for the demuxer's choice; may be absent
 *   logo_size   bytes of the source MR_SOURCE_LOGO, a PNG; may be absent
 *   max_pixels, max_duration_seconds  the most that a video frame and a file may have; may be absent
 *   unit_seconds  work of a core above which nothing is made: the receipt is {"video", "audio", "level"}, where the units of each
 *               begin on the clip, in microseconds, and whether those of audio look for a gain together; may be absent, as the
 *               next three (shared/data/units.h)
 *   costs       [[encoder, preset, seconds], …], as shared/data/work_costs.h has them; may be absent
 *   unit        {from_us, to_us, is_audio}: only this range of the video or the audio is encoded, into a unit's packets
 *               (packets.h); the receipt is {frames, last_pts, samples, output, added, cpu_seconds}, with `heard` (the rehearsals
 *               of loudness.h) where the unit has looked for the gain, and `measured` (meter.h) where it has rehearsed, and
 *               `streams` (audio_unit.h) of a split clip's audio
 *   heard       rehearsals of loudness.h: a unit of audio does the next one, or encodes with the gain that was found, as a join
 *               does; may be absent, as the next
 *   measured    the sum of what units have measured in the last one: nothing is made, the receipt is that of loudness_step.h with
 *               cpu_seconds; null: there was none
 *   video_parts, audio_parts  [[bytes, packets, last_pts, samples, output, added], …] (struct mr_packets_part): the video or the
 *               audio is that of these units, in the source MR_SOURCE_UNITS, one behind the other, first those of video
 *   max_work    the most that the conversion may cost (work.h); may be absent
 *
 * The receipt (the result record):
 *   input        what describe.h says of it; duration_ms is what was decoded
 *   outputs      [{format, container, codec, duration_ms, size, bit_rate, streams, …}]: the parts in
 *                order, then what is beside them; `output` is the first of them
 *   copied       true if nothing was encoded
 *   kept         what was carried over: "tag:title", "cover_art", "chapters", "rotation"
 *   changed      [{what, from, to, why}]
 *   dropped      [{what, why}]
 *   warnings     [{code, detail}], e.g. damaged packets
 *   loudness     {in, out}, each {integrated (LUFS), true_peak (dBTP)}, null: silence; of the clip, as it
 *                was in the input, and as it went into the encoder or, where a loudness was ordered, as it is
 *                decoded from the output; null without audio; "not measured": it was copied, and not decoded
 *   verified     what copies were checked by: "packets", "decode"; null: there are none
 *   cpu_seconds  processor time of the child
 *   work         {encoder, preset, megapixels}: what the encoder of video got; preset "": none was asked for. Of audio alone
 *                {encoder, preset "", megasamples}: millions of samples, counted for each channel. Only where the encoder's work
 *                is most of cpu_seconds: not of copies, several tracks of audio alone, or audio with a wanted loudness
 *   uncut        why work of more than unit_seconds was not cut; only then
 *   engine       versions of libav's libraries, names of the encoders
 */
#ifndef MR_WORKER_MEDIA_CONVERT_H
#define MR_WORKER_MEDIA_CONVERT_H

#include "worker/sandbox.h"

/* The version of FFmpeg, a static text. Any process may call it. */
const char *mr_media_version(void);

int mr_media_run(const void *spec, size_t len, const struct mr_sandbox_fds *fds);

#endif
