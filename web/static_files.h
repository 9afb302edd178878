/* The files of web/static/, embedded by infra/embed.sh. */
#ifndef MR_WEB_STATIC_FILES_H
#define MR_WEB_STATIC_FILES_H

#include <stddef.h>

struct mr_static_file {
    const char *name; /* as in the directory, e.g. "docs.html" */
    const unsigned char *data;
    size_t len;
    const unsigned char *gzip; /* the same, compressed */
    size_t gzip_len;
};

/* The last entry has a NULL name. */
extern const struct mr_static_file mr_static_files[];

#endif
