/*
 * The options of a conversion, `tasks.options`: what a client may say about how its file is to be made, and
 * what of it makes sense for which format. One typed table (options.c); JSON types are strict.
 *
 *   bitrate      bits per second, of the picture where the target has one, else of the sound
 *   sample_rate  Hz
 *   channels     of the sound
 *   loudness     LUFS: integrated loudness to reach (EBU R 128)
 *   codec        of the picture where the target has one, else of the sound; one that the target can hold
 *   crf          constant rate factor of x264 or VP9, in the place of a bitrate
 *   preset       of x264: ultrafast … veryslow
 *   fps          frames per second
 *   resize       {width, height, aspect, fit}: width and height in pixels; with one of them the aspect is
 *                kept; aspect ("16:9") says the shape in the place of one or both of them. fit says how the
 *                picture gets into another shape: pad (bars; the default), crop or stretch
 *   trim         {start, duration} in seconds: without start from the beginning, without duration to the end
 *   mute         true: no sound
 *   split        {seconds}: parts of that length, each an output
 *   logo         {intro, outro}: seconds of the logo before and after (each part)
 *   thumbnail    {at, width}: a picture of the moment `at`, a further output; without width as wide as it is
 *
 * Read-only; any thread.
 */
#ifndef MR_SHARED_MEDIA_OPTIONS_H
#define MR_SHARED_MEDIA_OPTIONS_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "shared/media/formats.h"

/*
 * Checks options (NULL: none) for a target; target NULL: it is not known yet, and only what is wrong for any
 * is found. MR_INVALID, and a message that begins with the field ("options.resize.width: …"), with code
 * "unknown_option", "wrong_type", "missing_option" (a part of an option), "out_of_range", or "bad_option" for
 * what makes no sense with the target or with another option.
 */
MR_MUST_CHECK enum mr_status mr_options_check(const json_t *options, const struct mr_format *target,
                                              struct mr_err *err);

/* Where the options alone say how many pixels a picture will have: no more than that. "out_of_range", as
 * above.
 */
MR_MUST_CHECK enum mr_status mr_options_check_pixels(const json_t *options, int64_t most, struct mr_err *err);

/* The codecs that the option `codec` may name for a format, the one that is used without it first; NULL past
 * the last. */
const char *mr_option_codec_at(const struct mr_format *target, size_t index);

#endif
