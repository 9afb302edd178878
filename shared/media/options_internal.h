/* What the two halves of the options share: options.c knows names, types and bounds, options_target.c what
 * makes sense together and for which target. Private to shared/media. */
#ifndef MR_SHARED_MEDIA_OPTIONS_INTERNAL_H
#define MR_SHARED_MEDIA_OPTIONS_INTERNAL_H

#include "shared/media/options.h"

/* Pixels, and bits per second. */
enum { MR_WIDTH_MIN = 16, MR_WIDTH_MAX = 7680, MR_HEIGHT_MIN = 16, MR_HEIGHT_MAX = 4320 };
enum { MR_BITRATE_MIN = 8000, MR_BITRATE_MAX = 100000000 };

/* For any format. */
bool mr_option_codec_exists(const char *name);
/* "16:9": two whole numbers without a sign, the shape they make from 1:10 to 10:1. */
bool mr_option_aspect(const char *text, int *ret_width, int *ret_height);

/* Options whose types and bounds are right: do they contradict each other? */
MR_MUST_CHECK enum mr_status mr_options_check_sense(const json_t *options, struct mr_err *err);
/* And does the target have what they speak of? */
MR_MUST_CHECK enum mr_status mr_options_check_target(const json_t *options, const struct mr_format *target,
                                                     struct mr_err *err);

#endif
