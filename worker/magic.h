/*
 * What a file is, judged by its first bytes: the containers and elementary streams that the converter
 * accepts. File names and Content-Type headers may be wrong; this is the cheap check before a downloaded file
 * is stored. Pure; any thread.
 */
#ifndef MR_WORKER_MAGIC_H
#define MR_WORKER_MAGIC_H

#include <stdbool.h>
#include <stddef.h>

enum { MR_MAGIC_BYTES = 512 }; /* how many of the first bytes decide */

/* The usual extension of files with these first bytes, e.g. "mp3"; NULL if they are not a known media file.
 * The text is static. */
const char *mr_magic_extension(const void *data, size_t len);

/* True for Content-Types that no media file has, e.g. "text/html". All others (application/octet-stream, none
 * at all, …) must be checked with the first bytes. type is in lower case, without parameters. */
bool mr_magic_excludes_type(const char *type);

#endif
