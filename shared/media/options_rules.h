/* What options mean to each other and to a format. Private to shared/media: mr_options_read calls it. */
#ifndef MR_SHARED_MEDIA_OPTIONS_RULES_H
#define MR_SHARED_MEDIA_OPTIONS_RULES_H

#include "shared/media/options.h"

/* Pixels. */
enum { MR_WIDTH_MIN = 16, MR_WIDTH_MAX = 7680, MR_HEIGHT_MIN = 16, MR_HEIGHT_MAX = 4320 };

/* Options whose types and bounds are right, and the JSON they were read from: do they go together? MR_INVALID. */
MR_MUST_CHECK enum mr_status mr_options_check_rules(const struct mr_options *options, const json_t *json,
                                                    struct mr_err *err);
/* And does the format have what they concern? MR_INVALID. */
MR_MUST_CHECK enum mr_status mr_options_check_target(const struct mr_options *options, const json_t *json,
                                                     const struct mr_format *format, struct mr_err *err);

#endif
