/* The file name that a server suggests (RFC 6266). Pure functions; any thread. */
#ifndef MR_HTTP_DISPOSITION_H
#define MR_HTTP_DISPOSITION_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Extracts the file name from a Content-Disposition's value: filename* wins over filename; directories are
 * removed. False if there is none, or it is not UTF-8, contains control characters, or does not fit into out_size
 * bytes.
 */
bool mr_disposition_file_name(const char *value, char *out, size_t out_size);

#endif
