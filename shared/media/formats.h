/*
 * The formats that a task may ask for: one const table of names, without any knowledge of codecs (that is
 * worker/media/formats.h, keyed by the same name). Read-only; any thread.
 */
#ifndef MR_SHARED_MEDIA_FORMATS_H
#define MR_SHARED_MEDIA_FORMATS_H

#include <stddef.h>

enum mr_media_class { MR_MEDIA_AUDIO = 1, MR_MEDIA_VIDEO };

struct mr_format {
    const char *name;       /* the public name, lower case, e.g. "mp3" */
    const char *aliases[3]; /* other spellings that clients send; NULL after the last */
    const char *extension;  /* of a result's file name, without the dot */
    const char *mime;       /* the Content-Type of a result */
    enum mr_media_class media_class;
};

/* The format of that name or alias, upper or lower case. NULL if there is none (or name is NULL). */
const struct mr_format *mr_format_find(const char *name);

/* The format that a file name's extension says. NULL without an extension or for a foreign one. */
const struct mr_format *mr_format_of_file(const char *file_name);

/* Iteration in the table's order: 0, 1, …; NULL past the last. */
const struct mr_format *mr_format_at(size_t index);

#endif
