/* The name a client gives its file, made fit for keeping. Pure. */
#ifndef MR_WEB_API_FILE_NAME_H
#define MR_WEB_API_FILE_NAME_H

enum { MR_FILE_NAME_MAX = 255, MR_FILE_EXTENSION_MAX = 10 };

struct mr_file_name {
    char text[MR_FILE_NAME_MAX + 1];
    char extension[MR_FILE_EXTENSION_MAX +
                   1]; /* lower case; "" if there is none, or it is not plain letters and digits */
};

/* The part of name (UTF-8) after its last slash or backslash, cut at a character's start if it is too long.
 */
struct mr_file_name mr_file_name_of(const char *name);

#endif
