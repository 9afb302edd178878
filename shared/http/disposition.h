/* The file name that a server suggests (RFC 6266). Pure; any thread. */
#ifndef MR_HTTP_DISPOSITION_H
#define MR_HTTP_DISPOSITION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Takes the file name out of a Content-Disposition's value: filename* before filename, without directories.
 * False if there is none, or it is not UTF-8, holds control characters, or does not fit.
 */
bool mr_disposition_file_name(const char *value, char *out, size_t out_size);

#endif
