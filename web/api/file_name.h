/* The name a client gives its file, made fit for keeping. Pure. */
#ifndef MR_WEB_API_FILE_NAME_H
#define MR_WEB_API_FILE_NAME_H

#include <stdbool.h>

enum { MR_FILE_NAME_MAX = 255, MR_FILE_EXTENSION_MAX = 10 };

struct mr_file_name {
    char text[MR_FILE_NAME_MAX + 1];
    char extension[MR_FILE_EXTENSION_MAX +
                   1]; /* lower case; "" if there is none, or it is not plain letters and digits */
};

/* The part of name (UTF-8) after its last slash or backslash, cut at a character's start if it is too long.
 */
struct mr_file_name mr_file_name_of(const char *name);

/* The last segment of a URL's path, decoded; "download" if it has none that could be a name. */
struct mr_file_name mr_file_name_of_url(const char *url);

/* Does the extension say that it is a video? For an extension that we do not know (or none) the media type
 * that came with the file does (RFC 9110, 8.3); NULL if none came. */
bool mr_file_is_video(const struct mr_file_name *name, const char *media_type);

#endif
