/*
 * Outputs beside the parts: pictures of the media, and texts that describe it. They follow the parts, in the order in which
 * they are added. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_EXTRA_H
#define MR_WORKER_MEDIA_EXTRA_H

#include "worker/media/parts.h"

/* What the receipt says of a picture, or of a text; width and height in pixels. NULL: no memory. */
json_t *mr_extra_picture(const char *format, const char *codec, int width, int height);
json_t *mr_extra_text(const char *format);

/* Writes the next output, and adds its description, which it takes over (NULL: no memory) and completes with the size.
 * After all parts are finished. Code: internal. */
MR_MUST_CHECK enum mr_status mr_extra_add(struct mr_parts *parts, const void *data, size_t len,
                                          json_t *description, struct mr_err *err);

#endif
