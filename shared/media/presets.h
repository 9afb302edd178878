/*
 * Presets: named sets of options, each the processing of one of the older systems. A task that follows one is
 * of the kind `edit`. One const table; read-only, any thread.
 */
#ifndef MR_SHARED_MEDIA_PRESETS_H
#define MR_SHARED_MEDIA_PRESETS_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "shared/media/formats.h"

#define MR_PRESET_OF_UPLOADS "fpv"  /* of a video that comes without a word on what it should become */
#define MR_PRESET_OF_URLS    "idrl" /* likewise, by URL; MP4 only */

struct mr_preset {
    const char *name;
    const char *format;  /* of shared/media/formats.h; a video format */
    const char *options; /* JSON text, as options.h has it */
};

/* For fields that name a preset. */
extern const struct mr_field_words mr_preset_words;

/* NULL if there is none of that name (or name is NULL). */
const struct mr_preset *mr_preset_find(const char *name);

/* Iteration in the table's order: 0, 1, …; NULL past the last. */
const struct mr_preset *mr_preset_at(size_t index);

/*
 * What a task that follows the preset makes: *ret_format is the format of the name `format`, or the preset's
 * own (NULL); the options are the caller's. MR_INVALID with code "wrong_format", message "newFormat must be …", for
 * an audio format.
 */
MR_MUST_CHECK enum mr_status mr_preset_apply(const struct mr_preset *preset, const char *format,
                                             const struct mr_format **ret_format, json_t **ret_options,
                                             struct mr_err *err);

#endif
