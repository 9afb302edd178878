/* What options.c and options_rules.c share. Private to shared/media. */
#ifndef MR_SHARED_MEDIA_OPTIONS_INTERNAL_H
#define MR_SHARED_MEDIA_OPTIONS_INTERNAL_H

#include "shared/media/options.h"

/* Pixels. */
enum { MR_WAVEFORM_MIN = 16, MR_WAVEFORM_MAX = 10000, MR_FILMSTRIP_MIN = 2, MR_FILMSTRIP_MAX = 200 };
enum { MR_WIDTH_MIN = 16, MR_WIDTH_MAX = 7680, MR_HEIGHT_MIN = 16, MR_HEIGHT_MAX = 4320 };

/* Reads options by the table alone: names, types and bounds, one by one; json NULL: none are given. MR_INVALID. */
MR_MUST_CHECK enum mr_status mr_options_fill(const json_t *json, struct mr_options *ret, struct mr_err *err);

#endif
