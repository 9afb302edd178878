/* The files of web/static/, linked into the program by web/static/embed.sh. */
#ifndef MR_WEB_STATIC_FILES_H
#define MR_WEB_STATIC_FILES_H

#include <stddef.h>

struct mr_static_file {
    const char *name; /* as in the directory, "docs.html" */
    const unsigned char *data;
    size_t len;
};

/* Ends with a NULL name. */
extern const struct mr_static_file mr_static_files[];

#endif
