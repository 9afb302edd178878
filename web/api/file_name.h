/* The name that a client gives its file, in the form in which it is stored. Pure. */
#ifndef MR_WEB_API_FILE_NAME_H
#define MR_WEB_API_FILE_NAME_H

#include <stdbool.h>

enum { MR_FILE_NAME_MAX = 255, MR_FILE_EXTENSION_MAX = 10 };

struct mr_file_name {
    char text[MR_FILE_NAME_MAX + 1];
    char extension[MR_FILE_EXTENSION_MAX +
                   1]; /* lower case; "" without one, or if it is not plain letters and digits */
};

/* The part of name (UTF-8) after the last slash or backslash, cut between two characters if it is too long. */
struct mr_file_name mr_file_name_of(const char *name);

/* The last segment of a URL's path, decoded; "download" if it has none that could be a name. */
struct mr_file_name mr_file_name_of_url(const char *url);

/* True if the extension is that of a video format. For an unknown extension (or none) media_type decides, the
 * one that came with the file (RFC 9110, 8.3); NULL without one. */
bool mr_file_is_video(const struct mr_file_name *name, const char *media_type);

#endif
